"""`ext_pillar: http_json` and `http_yaml`: what a server answers for a minion.

    - http_json: 'https://cmdb.example/pillar/%s'
    - http_yaml: {url: 'https://cmdb.example/%s', headers: {X-Token: …}, ca_file: /etc/own.pem, timeout: 5, cache: 60}

`%s` is the minion's id. The connection is TLS, and the server's certificate is verified, by CA_FILE where given; plain
http is for this machine alone. Redirections are not followed.
"""

from __future__ import annotations

import base64
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any

from pillar.external import Checked, ExternalError, PerMinion
from saltern.errors import ConfigError

TIMEOUT_S = 10.0  # by default, for the whole answer
MAX_BYTES = 8 << 20
_CHUNK = 1 << 16
_HERE = ("127.0.0.1", "::1", "localhost")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No redirection is followed: where the values come from is said in the configuration."""
        return


class Http(PerMinion):
    """One server."""

    def __init__(self, options: Checked, form: str) -> None:
        super().__init__(options, form)
        self._url, self._ca_file = options.text("url"), options.text("ca_file", "")
        self._timeout_s = options.number("timeout", TIMEOUT_S, 0.1)
        self._headers = options.mapping("headers")
        user, password = options.text("username", ""), options.text("password", "")
        options.done()
        if user:
            word = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {word}"
        parts = urllib.parse.urlsplit(self._url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _HERE):
            raise ConfigError(f"{self.place}: url wants https://…, not {self._url!r}")

    def asked(self, minion_id: str) -> str:
        """What the server answers for MINION_ID."""
        import ssl

        url = self._url.replace("%s", urllib.parse.quote(minion_id, safe=""))
        try:
            context = ssl.create_default_context(cafile=self._ca_file or None)
            opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
            request = urllib.request.Request(url, headers={"Accept": "application/json", **self._headers})  # noqa: S310
            with opener.open(request, timeout=self._timeout_s) as answer:
                return self._read(answer)
        except urllib.error.HTTPError as error:
            raise ExternalError(f"{self.place}: the server answers {error.code} for {minion_id}") from None
        except urllib.error.URLError as error:
            raise ExternalError(f"{self.place}: {error.reason}") from None
        except (OSError, HTTPException) as error:
            raise ExternalError(f"{self.place}: {error or type(error).__name__}") from None

    def _read(self, answer: Any) -> str:
        deadline = time.monotonic() + self._timeout_s
        data = bytearray()
        while chunk := answer.read1(_CHUNK):
            data += chunk
            if len(data) > MAX_BYTES:
                raise ExternalError(f"{self.place}: the answer has more than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise ExternalError(f"{self.place}: no whole answer within {self._timeout_s:g} s")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ExternalError(f"{self.place}: the answer is not UTF-8 at byte {error.start}") from None
