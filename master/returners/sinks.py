"""Where returns go without a library: a file of JSON lines, and a webhook."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from master.returners.outbox import Return
from master.returners.returner import Refused
from saltern.secret import Secret

_NEVER = (400, 413, 422)  # RFC 9110: this content is not wanted; anything else may be another tomorrow


class JsonLines:
    """Appends to FILE, one document a line (mode 0600: returns are not for everybody)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def deliver(self, returns: Sequence[Return]) -> None:
        """See `Sink`. What could be written in part only is taken back, so no line is torn or doubled."""
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            data = b"".join(one.line + b"\n" for one in returns)
            size = os.fstat(handle).st_size
            written = os.write(handle, data)
            if written != len(data):
                os.ftruncate(handle, size)
                raise OSError(28, "No space left on device")
        finally:
            os.close(handle)

    def close(self) -> None:
        """See `Sink`."""


class Webhook:
    """POSTs to URL, one JSON array a delivery. It may arrive twice where the answer is lost: jid and id tell."""

    def __init__(self, url: str, headers: Mapping[str, Secret], timeout_s: float) -> None:
        self._url, self._headers, self._timeout_s = url, headers, timeout_s
        self._opener = urllib.request.build_opener(_NoRedirect)

    def deliver(self, returns: Sequence[Return]) -> None:
        """See `Sink`. Anything but an answer of 2xx is a failure."""
        headers = {key: value.reveal() for key, value in self._headers.items()}
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url,
            b"[" + b",".join(one.line for one in returns) + b"]",
            {**headers, "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                answer.read(1024)
        except HTTPError as error:
            error.close()
            kind = Refused if error.code in _NEVER else OSError
            raise kind(f"HTTP {error.code} {error.reason}") from None
        except (URLError, ValueError) as error:
            raise OSError(str(getattr(error, "reason", error))) from None

    def close(self) -> None:
        """See `Sink`."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A collector that sends elsewhere gets nothing: the headers may hold a secret."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Don't follow."""
