"""Containers by the LXC tools."""
