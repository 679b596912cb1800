"""Returns in a table of PostgreSQL, by psycopg (the extra `postgresql`)."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from master.returners.outbox import Return
from master.returners.returner import Refused
from saltern.secret import Secret

if TYPE_CHECKING:
    from psycopg import Connection

TABLE = "saltern_returns"
_COLUMNS = ("jid", "id", "fun", "outcome", "success", "retcode", "return", "at")


class PostgreSql:
    """Inserts into TABLE (made where it is not there), one transaction a delivery, one row for each jid and id.

    CONNECTION is what libpq reads: `host=… dbname=…` or `postgresql://…`. TIMEOUT_S bounds all that waits for the
    server.
    """

    def __init__(self, connection: Secret, password: Secret | None, table: str, timeout_s: float) -> None:
        self._where, self._password, self._timeout_s = connection, password, timeout_s
        self._table = table
        self._open: Connection[Any] | None = None

    def deliver(self, returns: Sequence[Return]) -> None:
        """See `Sink`. What is there already stays as it is."""
        import psycopg
        from psycopg import sql

        columns = sql.SQL(", ").join(sql.Identifier(name) for name in _COLUMNS)
        query = sql.SQL(
            "INSERT INTO {} ({}) VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s) ON CONFLICT DO NOTHING"
        ).format(self._name(), columns)
        try:
            connection = self._connected()
            with self._bounded(connection), connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(query, [_row(one) for one in returns])
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise Refused(str(error)) from None
        except psycopg.Error as error:
            self.close()
            raise OSError(str(error)) from None

    def close(self) -> None:
        """See `Sink`."""
        if self._open is not None:
            with suppress(Exception):
                self._open.close()
            self._open = None

    def _connected(self) -> Connection[Any]:
        import psycopg

        if self._open is None or self._open.closed:
            self._open = psycopg.connect(
                self._where.reveal(),
                autocommit=True,
                password=self._password.reveal() if self._password else None,
                connect_timeout=max(2, round(self._timeout_s)),  # libpq takes whole seconds, from 2
                application_name="saltern",
            )
            with self._bounded(self._open):
                self._prepare(self._open)
        return self._open

    def _prepare(self, connection: Connection[Any]) -> None:
        """Make the table where it is not there. A user who may only insert needs one that was made before."""
        from psycopg import sql

        if connection.execute("SELECT to_regclass(%s)", [self._name().as_string(connection)]).fetchone() != (None,):
            return
        connection.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (jid text NOT NULL, id text NOT NULL, fun text NOT NULL, "
                "outcome text NOT NULL, success boolean NOT NULL, retcode bigint NOT NULL, return jsonb NOT NULL, "
                "at timestamptz NOT NULL, PRIMARY KEY (jid, id))"
            ).format(self._name())
        )

    def _name(self) -> Any:
        from psycopg import sql

        return sql.Identifier(*self._table.split("."))

    @contextmanager
    def _bounded(self, connection: Connection[Any]) -> Iterator[None]:
        """Hang up where the block takes longer than the timeout: a server that was stopped never answers."""
        handle = socket.socket(fileno=socket.dup(connection.fileno()))

        def hang_up() -> None:
            with suppress(OSError):  # it is gone already
                handle.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._timeout_s, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            handle.close()


def _row(one: Return) -> list[Any]:
    document = json.loads(one.line)
    value = json.dumps(_storable(document["return"]))
    return [*(document[name] for name in _COLUMNS[:6]), value, document["at"]]


def _storable(value: Any) -> Any:
    """VALUE as jsonb takes it: no U+0000 in a text, no half of a surrogate pair, no number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(entry) for key, entry in value.items()}
    return [_storable(entry) for entry in value] if isinstance(value, list) else value
