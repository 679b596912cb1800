"""Text files that functions edit as a whole: no link of another user and no pipe is followed, no byte is lost."""

from __future__ import annotations

from typing import Any

from modules import file
from modules._file.contents import Contents


def text_of(path: str) -> str:
    """What the file PATH holds; nothing where there is none."""
    status = file.status(path)
    if status is None:
        return ""
    data = file.held(path, status.st_size).data
    if data is None:
        raise file.FileError(f"{path} is too long to be edited")
    return data.decode("utf-8", "surrogateescape")


def put_text(path: str, text: str, **attributes: Any) -> None:
    """Make the file PATH hold TEXT, with ATTRIBUTES as `file.put` takes them; nothing where it holds that."""
    if attributes or text_of(path) != text:
        file.put(path, Contents(text.encode("utf-8", "surrogateescape")), **attributes)
