"""Debian's packages and where they come from."""
