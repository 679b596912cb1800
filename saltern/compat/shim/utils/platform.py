"""`salt.utils.platform`: where this runs, which is always Linux."""

from __future__ import annotations


def is_linux() -> bool:
    """Yes."""
    return True


def _no() -> bool:
    """No."""
    return False


is_windows = is_darwin = is_sunos = is_smartos = is_freebsd = is_openbsd = is_netbsd = is_aix = is_proxy = _no
is_junos = is_smartos_globalzone = is_smartos_zone = _no
