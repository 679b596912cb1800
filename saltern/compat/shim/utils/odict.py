"""`salt.utils.odict`: mappings that keep their order."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

__all__ = ["DefaultOrderedDict", "OrderedDict"]

DefaultOrderedDict = defaultdict
