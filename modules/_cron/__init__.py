"""Crontabs as text."""
