"""The door for the commands: a Unix socket that speaks one JSON object a line (see `saltern.cli.client`).

Who may knock is decided here, by the credentials that the kernel gives for the peer (unix(7), SO_PEERCRED): root, the
daemon's own user, and the users that the configuration names.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from saltern.errors import SalternError, SourceError, UsageError

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 8 * 1024 * 1024
MAX_UNREAD_BYTES = 256 * 1024 * 1024  # a command that does not read its answer is dropped beyond this

Handler = Callable[["Conversation", Mapping[str, Any]], Awaitable[None]]


class Conversation:
    """One command that is connected: USER is who runs it."""

    def __init__(self, writer: asyncio.StreamWriter, user: str) -> None:
        self._writer, self.user = writer, user
        self.gone = asyncio.Event()
        self.ended = asyncio.Event()

    def emit(self, line: bytes) -> None:
        """Send one line; an `end` or an `error` is the last one."""
        if self._writer.transport.is_closing():
            self.gone.set()
            return
        self._writer.write(line)
        if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._writer.transport.abort()
            self.gone.set()
        if line.startswith((b'{"event": "end"', b'{"event": "error"')):
            self.ended.set()

    def say(self, event: str, **fields: Any) -> None:
        """Send one event."""
        self.emit(json.dumps({"event": event, **fields}, default=str).encode() + b"\n")

    def fail(self, error: SalternError) -> None:
        """End with an error of the user's making."""
        kind = "usage" if isinstance(error, UsageError) else "source" if isinstance(error, SourceError) else "failed"
        self.say("error", kind=kind, message=str(error), exit=error.exit_code)


class Control:
    """The socket in FILE; HANDLERS by the request's `op`."""

    def __init__(self, file: Path, handlers: Mapping[str, Handler], users: list[str]) -> None:
        self._file, self._handlers = file, handlers
        self._allowed = {0, os.geteuid(), *(_uid(name) for name in users)}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket that a dead master left is replaced; one that answers is a master that runs: refused."""
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._file.parent.chmod(0o755)
        if await self._answers():
            raise SalternError(f"another master runs already: it answers on {self._file}")
        self._file.unlink(missing_ok=True)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._file), limit=MAX_REQUEST_BYTES)
        except OSError as error:  # a path of more than 107 bytes (unix(7)), a folder that can't be written
            raise SalternError(f"{self._file}: the control socket can't be made: {error.strerror or error}") from None
        self._file.chmod(0o666 if self._allowed - {0, os.geteuid()} else 0o600)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server:
            self._server.close()
            self._file.unlink(missing_ok=True)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(self._file))
        except OSError:
            return False
        writer.close()
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _peer_uid(writer)
        talk = Conversation(writer, _user_name(uid))
        try:
            if uid not in self._allowed:
                logger.warning("a command of uid %d was refused", uid)
                talk.say("error", kind="denied", message=f"{talk.user} may not command this master", exit=1)
            else:
                await self._answer(talk, reader)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            talk.gone.set()
            writer.close()

    async def _answer(self, talk: Conversation, reader: asyncio.StreamReader) -> None:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            talk.say("error", kind="usage", message=f"a request has at most {MAX_REQUEST_BYTES} bytes", exit=2)
            return
        try:
            request = json.loads(line)
            handler = self._handlers[request["op"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            talk.say("error", kind="usage", message="not a request of this protocol", exit=2)
            return
        watch = asyncio.get_running_loop().create_task(_until_closed(reader, talk))
        try:
            await handler(talk, request)
        except SalternError as error:
            talk.fail(error)
        except Exception:
            logger.exception("a request failed")
            talk.say("error", kind="internal", message="the master failed on this request: see its log", exit=1)
        finally:
            watch.cancel()


async def _until_closed(reader: asyncio.StreamReader, talk: Conversation) -> None:
    try:
        while await reader.read(4096):
            pass
    except ConnectionError:
        pass
    talk.gone.set()
    talk.ended.set()


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer: socket.socket = writer.get_extra_info("socket")
    _pid, uid, _gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise SalternError(f"the configuration's `users` names {name!r}, but there is no such user") from None
