"""The door for the commands: a Unix socket that speaks one JSON object a line (see `saltern.cli.client`).

Who knocks is known by the credentials that the kernel gives for the peer (unix(7), SO_PEERCRED). Whether he may, is
asked when he is connected, when he asks for something, and while he waits for it (see `master.users`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from master import users
from saltern.errors import SalternError, SourceError, UsageError

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 8 * 1024 * 1024
LOOK_AGAIN_S = 2.0  # how often it is looked whether somebody who is connected still may be
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
    """The socket in FILE; HANDLERS by the request's `op`. NAMED() gives the users that may come beside root, as the
    configuration has them at the moment. SalternError where one of them does not exist at first."""

    def __init__(self, file: Path, handlers: Mapping[str, Handler], named: Callable[[], Sequence[str]]) -> None:
        self._file, self._handlers, self._named = file, handlers, named
        at_first = named()
        for name in at_first:
            if users.uid_of(name) is None:
                raise SalternError(f"the configuration's `users` names {name!r}, but there is no such user")
        self._mode = 0o666 if at_first else 0o600
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
        self._file.chmod(self._mode)

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
        talk = Conversation(writer, users.name_of(uid))
        try:
            if not await self._denied(talk, uid):
                await self._answer(talk, reader, uid)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:  # the master ends; nobody waits for this task, so it just ends too
            pass
        finally:
            talk.gone.set()
            writer.close()

    async def _denied(self, talk: Conversation, uid: int) -> bool:
        """Whether UID may not command the master now; it is told."""
        if users.always(uid):
            return False
        try:
            why = users.refusal(uid, await asyncio.to_thread(self._named), time.time())
        except SalternError as error:  # who may is not known while the configuration can't be read
            why = f"{talk.user} may not command this master: {error}"
        if why:
            logger.warning("a command of uid %d was refused: %s", uid, why)
            talk.say("error", kind="denied", message=why, exit=1)
        return bool(why)

    async def _while_allowed(self, talk: Conversation, uid: int) -> None:
        """End the conversation when its user may no longer have it."""
        while not users.always(uid):
            await asyncio.sleep(LOOK_AGAIN_S)
            if await self._denied(talk, uid):
                talk.gone.set()
                return

    async def _answer(self, talk: Conversation, reader: asyncio.StreamReader, uid: int) -> None:
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
        if await self._denied(talk, uid):  # he may have been connected for long before he asked
            return
        loop = asyncio.get_running_loop()
        watches = [loop.create_task(_until_closed(reader, talk)), loop.create_task(self._while_allowed(talk, uid))]
        try:
            await handler(talk, request)
        except SalternError as error:
            talk.fail(error)
        except Exception:
            logger.exception("a request failed")
            talk.say("error", kind="internal", message="the master failed on this request: see its log", exit=1)
        finally:
            for watch in watches:
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
