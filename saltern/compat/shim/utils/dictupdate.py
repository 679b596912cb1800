"""`salt.utils.dictupdate`: merging mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def update(dest: Any, upd: Mapping[Any, Any], recursive_update: bool = True, merge_lists: bool = False) -> Any:
    """DEST, changed to have what UPD has, mappings within mappings too."""
    for key, value in upd.items():
        old = dest.get(key)
        if recursive_update and isinstance(old, Mapping) and isinstance(value, Mapping):
            dest[key] = update(dict(old), value, True, merge_lists)
        elif merge_lists and isinstance(old, list) and isinstance(value, list):
            dest[key] = [*old, *(one for one in value if one not in old)]
        else:
            dest[key] = value
    return dest


def merge(obj_a: Any, obj_b: Mapping[Any, Any], *_: Any, merge_lists: bool = False, **__: Any) -> Any:
    """A new mapping with what both have; OBJ_B wins."""
    return update(dict(obj_a), obj_b, True, merge_lists)
