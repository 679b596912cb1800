"""Checkouts by git(1)."""
