"""Memory for large messages, kept between them.

ZeroMQ copies, seals and opens every message in blocks of its size. By default glibc takes each such block from the
kernel anew and gives it back at once, and the faults for its pages cost more than the cipher does.
"""

from __future__ import annotations

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h, mallopt(3)
_KEPT_BYTES = 16 * 1024 * 1024  # free memory at the end of a heap that is not given back
_BLOCK_BYTES = 4 * 1024 * 1024  # from this size on a block is taken from the kernel by itself, as by default


def keep_freed() -> None:
    """Let this process keep what it frees, up to some MiB. Without effect where the C library has no mallopt(3)."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
