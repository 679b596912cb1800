"""High data that comes from an argument and not from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.errors import SourceError
from saltern.sls.source import Source
from saltern.sls.yaml_loader import Document


class _Unplaced(Source):
    """A source without text: its errors name it, and no line."""

    __slots__ = ()

    def error(self, message: str, line: int | None = None, column: int | None = None, hint: str = "") -> SourceError:
        """A SourceError that names the source only."""
        return super().error(message, None, None, hint)


def single_document(data: Mapping[str, Any], file: str) -> Document:
    """DATA as if FILE had been rendered to it."""
    return Document(dict(data), _Unplaced(file, ""), {})
