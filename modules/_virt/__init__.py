"""Guests, pools and networks of libvirt."""
