"""A guest's picture: PPM becomes PNG, and anything else is refused."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._virt.hypervisor import LibvirtError
from modules._virt.screenshot import PNG, png_of


@given(st.integers(1, 9), st.integers(1, 9))
def test_each_point_of_a_ppm_is_in_the_png(width: int, height: int) -> None:
    body = bytes((at * 7) % 256 for at in range(width * height * 3))
    got_width, got_height, data = png_of(b"P6\n# made by QEMU\n%d %d\n255\n" % (width, height) + body)
    assert (got_width, got_height) == (width, height)
    assert data.startswith(PNG)
    assert struct.unpack(">II", data[16:24]) == (width, height)
    begin = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[begin - 8 : begin - 4])[0]
    lines = zlib.decompress(data[begin : begin + length])
    row = width * 3 + 1
    assert b"".join(lines[at * row + 1 : (at + 1) * row] for at in range(height)) == body
    assert png_of(data) == (width, height, data), "a PNG stays what it is"


@given(st.binary())
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(LibvirtError):
        png_of(b"GIF" + data)
    with pytest.raises(LibvirtError):
        png_of(b"P6 9999 9999 255\n" + data)
