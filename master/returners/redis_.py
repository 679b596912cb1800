"""Returns in Redis, by redis-py (the extra `redis`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from master.returners.outbox import Return
from saltern.secret import Secret

if TYPE_CHECKING:
    from redis import Redis

PREFIX = "saltern:"


class RedisKeys:
    """Writes below PREFIX, one MULTI a delivery: the hash `ret:JID` (minion to document), the hash `last:MINION`
    (function to jid) and the set `minions`. A `ret:JID` goes after KEEP_S seconds; 0: never.

    URL is what redis-py reads: redis://, rediss:// or unix://. TIMEOUT_S bounds all that waits for the server.
    """

    def __init__(self, url: Secret, password: Secret | None, prefix: str, keep_s: int, timeout_s: float) -> None:
        self._url, self._password, self._prefix = url, password, prefix
        self._keep_s, self._timeout_s = keep_s, timeout_s
        self._client: Redis | None = None

    def deliver(self, returns: Sequence[Return]) -> None:
        """See `Sink`. What is there already becomes the same again."""
        import redis

        client = self._connected()
        try:
            with client.pipeline(transaction=True) as line:
                for one in returns:
                    key = f"{self._prefix}ret:{one.jid}"
                    line.hset(key, one.minion, one.line)
                    if self._keep_s:
                        line.expire(key, self._keep_s)
                    line.hset(f"{self._prefix}last:{one.minion}", one.function, one.jid)
                line.sadd(f"{self._prefix}minions", *{one.minion for one in returns})
                line.execute()
        except redis.RedisError as error:
            self.close()
            raise OSError(str(error)) from None

    def close(self) -> None:
        """See `Sink`."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close()
            self._client = None

    def _connected(self) -> Redis:
        import redis

        if self._client is None:
            more = {"password": self._password.reveal()} if self._password else {}
            self._client = redis.Redis.from_url(
                self._url.reveal(), socket_timeout=self._timeout_s, socket_connect_timeout=self._timeout_s, **more
            )
        return self._client
