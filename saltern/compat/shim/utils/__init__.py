"""The part of `salt.utils` that Salt-style modules use most; older ones find some functions right here."""

from __future__ import annotations

from saltern.compat.late import late
from saltern.compat.shim.utils.data import is_true
from saltern.compat.shim.utils.files import fopen
from saltern.compat.shim.utils.functools import namespaced_function
from saltern.compat.shim.utils.path import which, which_bin
from saltern.compat.shim.utils.platform import is_darwin, is_linux, is_windows

__all__ = ["fopen", "is_darwin", "is_linux", "is_true", "is_windows", "namespaced_function", "which", "which_bin"]

__getattr__ = late(__name__)
