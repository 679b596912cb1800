"""The kinds of code that a tree may have."""

from __future__ import annotations

KINDS = ("modules", "states", "grains", "utils")  # what a minion uses
