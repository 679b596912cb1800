"""What a guest shows, as a PNG file. QEMU gives a picture in PPM; it is told again as PNG with the standard library."""

from __future__ import annotations

import re
import struct
from typing import Any

from modules._file import safe
from modules._virt.hypervisor import LibvirtError

MAX_BYTES = 64 << 20
PNG = b"\x89PNG\r\n\x1a\n"
_PPM = re.compile(rb"P6\s+(?:#[^\n]*\s+)?(\d{1,5})\s+(\d{1,5})\s+255\s")


def take(connection: Any, domain: Any, screen: int) -> bytes:
    """The picture of the SCREEN of a guest (virDomainScreenshot), PPM or PNG."""
    stream = connection.newStream(0)
    domain.screenshot(stream, screen, 0)
    parts: list[bytes] = []
    while chunk := stream.recv(1 << 18):
        parts.append(chunk)
        if sum(map(len, parts)) > MAX_BYTES:
            stream.abort()
            raise LibvirtError(f"the picture has more than {MAX_BYTES} bytes")
    stream.finish()
    return b"".join(parts)


def save(picture: bytes, path: str) -> dict[str, Any]:
    """Write PICTURE into the file PATH as PNG."""
    width, height, data = png_of(picture)
    safe.write(safe.absolute(path), [data], mode=0o600)
    return {"path": path, "width": width, "height": height}


def png_of(picture: bytes) -> tuple[int, int, bytes]:
    """Width, height and the PNG of a picture in PPM (P6, 8 bits) or PNG. LibvirtError for anything else."""
    if picture.startswith(PNG) and len(picture) > 24:
        width, height = struct.unpack(">II", picture[16:24])
        return width, height, picture
    match = _PPM.match(picture)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    body = picture[match.end() :] if match else b""
    if match is None or 0 in size or len(body) < size[0] * size[1] * 3:
        raise LibvirtError("the guest's picture is in a format that is not known")
    return *size, png(*size, body)


def png(width: int, height: int, rgb: bytes) -> bytes:
    """RGB, 3 bytes a point, as PNG (RFC 2083)."""
    import zlib

    row = width * 3
    lines = b"".join(b"\0" + rgb[at * row : (at + 1) * row] for at in range(height))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines, 6))]
    chunks = [_chunk(kind, data) for kind, data in [*parts, (b"IEND", b"")]]
    return PNG + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
