"""The master's option `returners`, read strictly. No error shows a value: any may hold a password."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from master.returners import outbox
from master.returners.outbox import Outbox
from master.returners.postgresql import TABLE, PostgreSql
from master.returners.redis_ import PREFIX, RedisKeys
from master.returners.returner import Returner, Sink
from master.returners.sinks import JsonLines, Webhook
from master.store import Store
from saltern.errors import ConfigError, nearest
from saltern.secret import Secret

CLOSE_S = 2.0  # for all deliveries that are under way when the master ends
_KINDS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "functions"),
    "url": ("url", "headers", "timeout", "functions"),
    "postgresql": ("postgresql", "password", "table", "timeout", "functions"),
    "redis": ("redis", "password", "prefix", "keep", "timeout", "functions"),
}


class Returners:
    """All that were configured."""

    def __init__(self, returners: Sequence[Returner]) -> None:
        self.all = list(returners)
        self._store: Store | None = None
        self._source: Outbox | None = None

    async def start(self, store: Store, file: Path, soon: Callable[[Callable[[], object]], object]) -> None:
        """Deliver what STORE, which lies in FILE, notes from now on. SOON(function) has the event loop call it."""
        positions = await store.do(lambda connection: outbox.begin(connection, [one.name for one in self.all]))
        self._store, self._source = store, Outbox(store, file, soon)
        for one in self.all:
            one.start(self._source, positions[one.name])

    def wake(self) -> None:
        """Something was stored."""
        for one in self.all:
            one.wake()

    async def counts(self) -> dict[str, dict[str, Any]]:
        """How each does."""
        if self._store is None:
            return {}
        at = {one.name: one.position for one in self.all}
        waiting = await self._store.look(
            lambda connection: {name: outbox.waiting(connection, position) for name, position in at.items()}
        )
        return {one.name: {**one.counts(), "waiting": waiting[one.name]} for one in self.all}

    def close(self) -> None:
        """End all. What they delivered is noted in the store, which is closed after this."""
        for one in self.all:
            one.stop()
        until = time.monotonic() + CLOSE_S
        for one in self.all:
            one.close(max(0.0, until - time.monotonic()))
            if self._source is not None:
                self._source.note(one.name, one.position)


def returners_of(given: Mapping[Any, Any]) -> Returners:
    """What the option `returners` says. ConfigError."""
    return Returners([_returner(str(name), options) for name, options in given.items()])


def _returner(name: str, options: Any) -> Returner:
    where = f"returners: {name!r}"
    if not isinstance(options, Mapping):
        raise ConfigError(f"{where} wants a mapping of options")
    kind = next((kind for kind in _KINDS if kind in options), "")
    if not kind:
        odd = next((nearest(str(key), _KINDS) for key in options if nearest(str(key), _KINDS)), "")
        raise ConfigError(
            f"{where} wants `path: FILE` (JSON lines), `url: https://…` (webhook), `postgresql: …` or `redis: …`.{odd}"
        )
    for option in options:
        if option not in _KINDS[kind]:
            raise ConfigError(f"{where} has no option {option!r}.{nearest(str(option), _KINDS[kind])}")
    functions = options.get("functions", ["*"])
    if not isinstance(functions, list) or not all(isinstance(one, str) for one in functions):
        raise ConfigError(f"{where}: `functions` is a list of globs")
    sink, secrets = _MAKE[kind](where, options)
    return Returner(name, sink, functions, secrets)


def _file(where: str, options: Mapping[str, Any]) -> tuple[Sink, list[Secret]]:
    path = options["path"]
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigError(f"{where}: `path` begins at the root, not {path!r}")
    return JsonLines(Path(path)), []


def _webhook(where: str, options: Mapping[str, Any]) -> tuple[Sink, list[Secret]]:
    url, headers = options["url"], options.get("headers", {})
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"{where}: `url` is one of http or https")
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise ConfigError(f"{where}: `headers` is a mapping of texts")
    hidden = {str(key): Secret(value) for key, value in headers.items()}
    return Webhook(url, hidden, _timeout(where, options)), list(hidden.values())


def _postgresql(where: str, options: Mapping[str, Any]) -> tuple[Sink, list[Secret]]:
    _installed(where, "psycopg", "postgresql")
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    given, table = options["postgresql"], options.get("table", TABLE)
    try:
        parts = conninfo_to_dict(given) if isinstance(given, str) else {}
    except psycopg.Error:
        parts = {}
    if not parts:
        example = "host=db.example dbname=saltern user=saltern"
        raise ConfigError(f"{where}: `postgresql` is a connection string as libpq reads it, like `{example}`")
    if not isinstance(table, str) or not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?", table):
        raise ConfigError(f"{where}: `table` is a name, or SCHEMA.NAME, of small letters, digits and _, not {table!r}")
    password = _password(where, options)
    hidden = [Secret(text) for text in (given, str(parts.get("password") or "")) if text]
    sink = PostgreSql(Secret(given), password, table, _timeout(where, options))
    return sink, [*hidden, *([password] if password else [])]


def _redis(where: str, options: Mapping[str, Any]) -> tuple[Sink, list[Secret]]:
    _installed(where, "redis", "redis")
    from redis.connection import parse_url

    given, prefix, keep = options["redis"], options.get("prefix", PREFIX), options.get("keep", 7 * 86400)
    try:
        parts = dict(parse_url(given)) if isinstance(given, str) else {}  # type: ignore[no-untyped-call]
    except ValueError:
        parts = {}
    if not parts:
        raise ConfigError(f"{where}: `redis` is a URL like redis://HOST:PORT/0, rediss://… or unix:///run/redis.sock")
    if not isinstance(prefix, str):
        raise ConfigError(f"{where}: `prefix` is a text, not {prefix!r}")
    if isinstance(keep, bool) or not isinstance(keep, int) or keep < 0:
        raise ConfigError(f"{where}: `keep` is a number of seconds, 0 for ever, not {keep!r}")
    password = _password(where, options)
    hidden = [Secret(text) for text in (given, str(parts.get("password") or "")) if text]
    sink = RedisKeys(Secret(given), password, prefix, keep, _timeout(where, options))
    return sink, [*hidden, *([password] if password else [])]


def _installed(where: str, module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise ConfigError(f"{where} needs the Python package {module}: install saltern[{extra}] on the master")


def _password(where: str, options: Mapping[str, Any]) -> Secret | None:
    password = options.get("password")
    if password is not None and (not isinstance(password, str) or not password):
        raise ConfigError(f"{where}: `password` is a text")
    return Secret(password) if password else None


def _timeout(where: str, options: Mapping[str, Any]) -> float:
    timeout = options.get("timeout", 5)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 60:
        raise ConfigError(f"{where}: `timeout` is a number of seconds up to 60, not {timeout!r}")
    return float(timeout)


_MAKE: Mapping[str, Callable[[str, Mapping[str, Any]], tuple[Sink, list[Secret]]]] = {
    "path": _file,
    "url": _webhook,
    "postgresql": _postgresql,
    "redis": _redis,
}
