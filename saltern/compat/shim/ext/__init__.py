"""Where older modules find `six`."""

from __future__ import annotations
