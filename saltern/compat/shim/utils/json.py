"""`salt.utils.json`: as the `json` of Python."""

from __future__ import annotations

from json import dump, dumps, load, loads

__all__ = ["dump", "dumps", "load", "loads"]
