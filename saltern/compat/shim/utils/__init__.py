"""The part of `salt.utils` that Salt-style modules use most."""

from __future__ import annotations
