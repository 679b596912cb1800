"""Opens an http(s) URL for reading, within bounds of time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from saltern.errors import SalternError

CHUNK = 1 << 20
SOCKET_S = 30.0  # for a server to send the next bytes
REDIRECTS = 5


def opened(
    url: str, deadline: float, error: type[SalternError], *, tls_only: bool = False
) -> tuple[int | None, Iterator[bytes]]:
    """The length that the server of URL says (None: it does not), and the bytes, until the DEADLINE of the monotonic
    clock. Redirects lead to http(s) alone (TLS_ONLY: to https); certificates are checked. ERROR tells what went
    wrong."""
    import http.client
    import urllib.error
    import urllib.request

    schemes = ("https://",) if tls_only else ("http://", "https://")

    class Redirects(urllib.request.HTTPRedirectHandler):
        max_redirections = REDIRECTS

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not newurl.lower().startswith(schemes):
                raise error(f"{url} leads elsewhere, to {newurl!r}")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = urllib.request.build_opener(Redirects())
    request = urllib.request.Request(url, headers={"User-Agent": "Saltern"})  # noqa: S310 - http(s), checked before
    try:
        answer = opener.open(request, timeout=SOCKET_S)
    except urllib.error.HTTPError as failure:
        failure.close()
        raise error(f"{url}: the server says {failure.code} {failure.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as failure:
        reason = getattr(failure, "reason", None) or failure
        raise error(f"{url} can't be fetched: {reason}") from None
    length = answer.headers.get("Content-Length", "")

    def chunks() -> Iterator[bytes]:
        with answer:
            while True:
                try:
                    chunk = answer.read(CHUNK)
                except (OSError, http.client.HTTPException) as failure:
                    raise error(f"{url} broke off: {failure or type(failure).__name__}") from None
                if not chunk:
                    return
                if time.monotonic() > deadline:
                    raise error(f"{url} was not fetched within the time limit: give a longer `timeout`")
                yield chunk

    return int(length) if length.isascii() and length.isdigit() else None, chunks()
