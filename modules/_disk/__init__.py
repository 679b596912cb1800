"""Disk files of guests, and who has them."""
