"""A real master and real minions on this machine, each a process with a root of its own, and peers that misbehave."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from saltern.wire import messages as m
from saltern.wire import sockets
from saltern.wire.keys import KeyPair, new_pair
from tests.patience import WAIT_S

BIN = Path(sys.executable).parent
_claims: list[int] = []  # descriptors: see `free_port`


def wait_for(what: str, true: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    """Poll TRUE until it holds; AssertionError naming WHAT after TIMEOUT_S."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A free port of the loopback that stays free while nobody listens on it, as between two starts of a master.

    It lies below those that the kernel gives to whoever connects (ip_local_port_range), for one of these may be taken
    at any moment, even by who looks for a listener there: TCP lets a socket connect to itself. Tests that run beside
    this one get others: as long as this process lives, it holds a name (unix(7), abstract) for each.
    """
    below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.SystemRandom().sample(range(min(10_000, below // 2), below), 1000):
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                claim.bind(f"\0saltern-tests-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _claims.append(claim.detach())
        return port
    raise AssertionError("no port is free")


@dataclass
class Daemon:
    """A daemon's process with its root and log."""

    root: Path
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All that it logged."""
        return (self.root / "log").read_text(errors="replace") if (self.root / "log").exists() else ""

    def start(self) -> None:
        """Start the process."""
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal and wait."""
        if self.process:
            self.process.send_signal(number)
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            finally:
                self.process = None


@dataclass
class System:
    """A master, listening on the loopback, and its minions by id."""

    folder: Path
    control_port: int = field(default_factory=free_port)
    files_port: int = field(default_factory=free_port)
    minions: dict[str, Daemon] = field(default_factory=dict)

    def __post_init__(self) -> None:
        root = self.folder / "master"
        (root / "etc/saltern").mkdir(parents=True)
        for tree in ("states", "pillar"):
            (root / "srv/saltern" / tree).mkdir(parents=True)
        self.configure()
        self.master = Daemon(root, [str(BIN / "saltern-master"), "--root", str(root), "-l", "info"])

    def configure(self, **options: Any) -> None:
        """Write the master's configuration, with more OPTIONS."""
        values = {
            "interface": "127.0.0.1",
            "publish_address": "127.0.0.1",
            "control_port": self.control_port,
            "files_port": self.files_port,
            **options,
        }
        (self.folder / "master/etc/saltern/master").write_text(json.dumps(values))

    @property
    def states(self) -> Path:
        """The state tree."""
        return self.folder / "master/srv/saltern/states"

    @property
    def pillar(self) -> Path:
        """The pillar tree."""
        return self.folder / "master/srv/saltern/pillar"

    def start(self) -> None:
        """Start the master and wait until it answers."""
        self.master.start()
        wait_for("the master answers", self._answers)

    def _answers(self) -> bool:
        if self.master.process and self.master.process.poll() is not None:
            raise AssertionError(f"the master ended: {self.master.log}")
        try:
            return bool(self.ask(op="runner", function="manage.up", args=[], kwargs={}))
        except OSError:
            return False

    def ask(self, **request: Any) -> list[dict[str, Any]]:
        """Send a request to the control socket: all events until the end."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT_S)
            connection.connect(str(self.master.root / "run/saltern/master.sock"))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile() as lines:
                return [json.loads(line) for line in lines]

    def data(self, **request: Any) -> Any:
        """The data of a runner or key request; AssertionError where it failed."""
        events = self.ask(**request)
        assert events[0]["event"] == "data", events
        return events[0]["data"]

    def runner(self, function: str, *args: Any) -> Any:
        """Call a runner."""
        return self.data(op="runner", function=function, args=list(args), kwargs={})

    def key(self, action: str, **fields: Any) -> Any:
        """Manage keys."""
        return self.data(op="key", action=action, **fields)

    def publish(self, target: str, function: str, /, *args: Any, **kwargs: Any) -> dict[str, dict[str, Any]]:
        """Publish a job and wait for its end: each minion's return event."""
        events = self.ask(op="publish", target=target, form="glob", function=function, args=list(args), kwargs=kwargs)
        assert events[-1]["event"] == "end", events
        return {event["minion"]: event for event in events if event["event"] == "return"}

    def prepare(self, name: str) -> Daemon:
        """A minion that has joined by token, not yet started."""
        root = self.folder / name
        (root / "etc/saltern").mkdir(parents=True)
        (root / "etc/saltern/minion").write_text(f"id: {name}\nreconnect_min_s: 0.05\nreconnect_max_s: 0.5\n")
        text = self.key("token", minion=name, ttl_s=3600)["token"]
        subprocess.run(
            [str(BIN / "saltern-minion"), "--root", str(root), "join", text],
            check=True,
            capture_output=True,
            timeout=WAIT_S,
        )
        self.minions[name] = Daemon(root, [str(BIN / "saltern-minion"), "--root", str(root), "-l", "info"])
        return self.minions[name]

    def minion(self, name: str) -> Daemon:
        """A minion that has joined by token, started and connected."""
        daemon = self.prepare(name)
        daemon.start()
        self.wait_up(name)
        return daemon

    def wait_up(self, *names: str) -> None:
        """Wait until these minions are connected."""
        wait_for(f"{names} are up", lambda: set(names) <= set(self.runner("manage.up")))

    def wait_down(self, name: str) -> None:
        """Wait until the minion is not connected."""
        wait_for(f"{name} is down", lambda: name in self.runner("manage.down"))

    @property
    def master_key(self) -> bytes:
        """The master's public key."""
        return bytes.fromhex(self.key("finger", match="*")["master_key"])

    def close(self) -> None:
        """End all processes."""
        for daemon in [*self.minions.values(), self.master]:
            if daemon.process and daemon.process.poll() is None:
                daemon.stop()


@contextmanager
def system(folder: Path, **ports: int) -> Iterator[System]:
    """A started master without minions."""
    made = System(folder, **ports)  # type: ignore[arg-type]
    try:
        made.start()
        yield made
    finally:
        made.close()


class Peer:
    """A raw peer of a port, with a key of its own, that may send whatever it likes."""

    def __init__(self, port: int, master_key: bytes, keys: KeyPair | None = None) -> None:
        self.keys = keys or new_pair()
        self._jobs: set[str] = set()  # that came
        self._context = sockets.new_context()
        self._socket = sockets.client(
            self._context, self.keys, master_key, max_bytes=m.MAX_CONTROL_BYTES, high_water=100_000
        )
        self._socket.connect(f"tcp://127.0.0.1:{port}")

    def send(self, message: Any) -> None:
        """Send a message, or raw bytes, or a list of frames."""
        if isinstance(message, list):
            self._socket.send_multipart(message)
        else:
            self._socket.send(message if isinstance(message, bytes) else m.encode(message))

    def receive(self, timeout_s: float) -> Any:
        """The next message, or None where none comes in time. The master's look whether the peer lives, which may come
        at any moment, is answered and passed over."""
        deadline = time.monotonic() + timeout_s
        while self._socket.poll(max(0, int((deadline - time.monotonic()) * 1000)), zmq.POLLIN):
            message = m.from_master(self._socket.recv())
            if not isinstance(message, m.Ping):
                return message
            self.send(m.Pong(message.nonce))
        return None

    def expect(self, kind: type[Any], timeout_s: float = WAIT_S) -> Any:
        """The next message of KIND; others are passed over, and so is a job that came before: what is not confirmed is
        sent again after a while."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            message = self.receive(deadline - time.monotonic())
            if isinstance(message, m.Job):
                if message.jid in self._jobs:
                    continue
                self._jobs.add(message.jid)
            if isinstance(message, kind):
                return message
        raise AssertionError(f"no {kind.__name__} came")

    def close(self) -> None:
        """Hang up."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hello(held: list[str] | None = None, grains: Mapping[str, Any] | None = None) -> m.Hello:
    """A hello as a minion sends it."""
    return m.Hello(m.PROTOCOL, "0", os.urandom(4).hex(), held or [], dict(grains or {}))


def join(name: str, secret: bytes = b"", protocol: int = m.PROTOCOL) -> m.Join:
    """A request to join."""
    return m.Join(protocol, "0", name, secret, b"s" * 32)


def accepted_peer(made: System, name: str) -> Peer:
    """A raw peer that joined by token and said hello: a minion that may be compromised."""
    from saltern.wire.token import from_text

    peer = Peer(made.control_port, made.master_key)
    peer.send(join(name, from_text(made.key("token", minion=name, ttl_s=3600)["token"]).secret))
    peer.expect(m.Welcome)
    peer.send(hello())
    peer.expect(m.Welcome)
    return peer
