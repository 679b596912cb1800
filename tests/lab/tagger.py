"""Joins two taps of the switch: frames that the machine sends on the one get a VLAN tag on the other, and come back
without. For machines whose kernel has no VLAN interfaces; hosts of the lab have them.

    tagger.py UNTAGGED TAGGED VLAN
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
from contextlib import suppress

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x2, 0x1000
_DOT1Q = b"\x81\x00"


def main(untagged: str, tagged: str, vlan: int) -> None:
    """Serve for ever."""
    inner, outer = _tap(untagged), _tap(tagged)
    tag = _DOT1Q + struct.pack("!H", vlan)
    while True:
        for ready in select.select([inner, outer], [], [])[0]:
            frame = os.read(ready, 65536)
            with suppress(OSError):  # the other end is down
                if ready == inner:
                    os.write(outer, frame[:12] + tag + frame[12:])
                elif frame[12:14] == _DOT1Q and struct.unpack("!H", frame[14:16])[0] & 0xFFF == vlan:
                    os.write(inner, frame[:12] + frame[16:])


def _tap(name: str) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return tap


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
