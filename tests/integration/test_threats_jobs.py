"""What a minion that was taken over can't do with jobs and events: twice, too late, too large, or in another's name."""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from saltern.wire import messages as m
from saltern.wire.token import from_text
from tests.integration.system import Peer, System, accepted_peer, hello, join, wait_for
from tests.patience import WAIT_S

SPOOFS = [
    "salt/auth",
    "salt/job/20260101000000000000/new",
    "salt/job/20260101000000000000/ret/n2",
    "salt/minion/n2/start",
    "salt/presence/change",
    "salt/key",
    "minion/n2/please",
    "n2/please",
]
NO_TAGS = ["..", "../n2/please", "../../salt/auth", "a/../b", "/salt/auth", "//salt", "salt//auth", "", "a\nsalt/auth"]


def given(master: System, target: str, *args: object, **more: object) -> str:
    """A job that is sent, and not waited for."""
    request = {"op": "publish", "target": target, "function": "test.echo", "args": list(args), "async": True, **more}
    [job, *_] = master.ask(**request)
    assert isinstance(job["jid"], str)
    return job["jid"]


def end_of(master: System, jid: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = master.runner("jobs.lookup_jid", jid)["Result"][name]
    return found


def in_store(master: System, statement: str, *values: object) -> None:
    """Change the store of a master that does not run."""
    with closing(sqlite3.connect(master.master.root / "var/lib/saltern/master/master.db")) as db, db:
        db.execute(statement, values)


# --- returns -------------------------------------------------------------------------------------------------------


def test_a_return_counts_once_also_after_a_restart(master: System) -> None:
    with accepted_peer(master, "evil") as evil:
        jid = given(master, "evil", 1)
        evil.expect(m.Job)
        for value in (b'"first"', b'"second"', b'"third"'):
            evil.send(m.Return(jid, "done", True, 0, value, 0.0))
            assert evil.expect(m.Stored).jids == [jid]  # it is confirmed, or an honest minion would send it for ever
        keys = evil.keys
    master.master.stop()
    master.start()
    with Peer(master.control_port, master.master_key, keys) as again:
        again.send(hello())
        again.expect(m.Welcome)
        again.send(m.Return(jid, "failed", False, 1, b'"fourth"', 0.0))
        assert again.expect(m.Stored).jids == [jid]
    assert end_of(master, jid, "evil")["return"] == "first"
    assert master.runner("jobs.list_jobs").keys() == {jid}


def test_a_return_that_comes_after_the_job_was_given_up_is_the_truth(master: System) -> None:
    """The master took a job for never received; the minion, cut off, had run it: what it did must not be hidden."""
    with accepted_peer(master, "n1") as minion:
        jid = given(master, "n1", 1)
        minion.expect(m.Job)
        keys = minion.keys
    master.master.stop()
    in_store(master, "UPDATE jobs SET started = started - 7200 WHERE jid = ?", jid)
    master.start()
    wait_for("the job is given up", lambda: end_of(master, jid, "n1")["outcome"] == "expired")
    with Peer(master.control_port, master.master_key, keys) as back:
        back.send(hello([jid]))
        back.expect(m.Welcome)
        for value in (b'"it ran"', b'"forged later"'):
            back.send(m.Return(jid, "done", True, 0, value, 0.0))
            assert back.expect(m.Stored).jids == [jid]
    end = end_of(master, jid, "n1")
    assert (end["outcome"], end["return"]) == ("done", "it ran")


def test_a_return_of_a_job_that_is_forgotten_is_confirmed_and_said(master: System) -> None:
    with accepted_peer(master, "n1") as minion:
        jid = given(master, "n1", 1)
        minion.expect(m.Job)
        keys = minion.keys
    master.master.stop()
    in_store(master, "DELETE FROM ends")
    in_store(master, "DELETE FROM jobs")
    master.start()
    with Peer(master.control_port, master.master_key, keys) as back:
        back.send(hello([jid]))
        back.expect(m.Welcome)
        back.send(m.Return(jid, "done", True, 0, b"1", 0.0))
        assert back.expect(m.Stored).jids == [jid]
    assert master.runner("jobs.list_jobs") == {}
    wait_for("it is said", lambda: f"n1 returned job {jid}, which it was not given: dropped" in master.master.log)


def test_what_is_larger_than_a_message_cuts_only_its_sender(master: System) -> None:
    with accepted_peer(master, "evil") as evil, accepted_peer(master, "good") as good:
        jid = given(master, "*", 1)
        evil.send(m.Return(jid, "done", True, 0, b'"' + b"x" * m.MAX_CONTROL_BYTES + b'"', 0.0))
        good.expect(m.Job)
        good.send(m.Return(jid, "done", True, 0, b'"fine"', 0.0))
        good.expect(m.Stored)
        master.wait_down("evil")
        assert end_of(master, jid, "good")["return"] == "fine"
        assert end_of(master, jid, "evil")["outcome"] in ("sent", "received")


@pytest.mark.parametrize("states", [1, 4])  # about 20 MB each: more than a message has, more than the agent would read
def test_a_return_beyond_the_limit_is_a_failure_with_its_reason_and_jams_nothing(master: System, states: int) -> None:
    (master.states / "large.sls").write_text(
        "".join(f"s{n}:\n  cmd.run:\n    - name: head -c 9900000 /dev/zero | tr '\\0' '\"'\n" for n in range(states))
    )
    daemon = master.minion("n1")
    end = master.publish("n1", "state.apply", "large")["n1"]
    assert (end["outcome"], end["success"]) == ("failed", False)
    assert "The function ended (done), but its return of" in end["return"], end["return"]
    assert "is too large" in end["return"]
    assert master.publish("n1", "test.echo", "next")["n1"]["return"] == "next"
    assert (daemon.root / "var/lib/saltern/minion/jobs.journal").stat().st_size < 100_000


# --- events --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reacting(tmp_path: Path) -> Iterator[System]:
    """A master that tells n1 of each event that makes it act."""
    made = System(tmp_path)
    (made.states / "reactor").mkdir()
    (made.states / "reactor/tell.sls").write_text("x:\n  local.test.echo:\n    - tgt: n1\n    - arg: {{ tag }}\n")
    reserved = [glob for tag in SPOOFS if tag.startswith("salt/") for glob in (tag, f"*{tag}", f"*/{tag}")]
    globs = ["minion/n1/please", "minion/n2/*", "n2/*", "*n2/please", *reserved]
    made.configure(reactor=[{glob: ["salt://reactor/tell.sls"]} for glob in globs])
    try:
        made.start()
        yield made
    finally:
        made.close()


def tell(peer: Peer, tag: str) -> m.Answer:
    """Send an event that says that n2 sent it."""
    data = {"id": "n2", "tag": "salt/auth", "act": "pending", "data": {"id": "n2"}}
    peer.send(m.Ask(1, "event.send", json.dumps({"tag": tag, "data": data}).encode()))
    return peer.expect(m.Answer)  # type: ignore[no-any-return]


def test_no_event_of_a_minion_passes_for_one_of_the_master_or_of_another_minion(reacting: System) -> None:
    with accepted_peer(reacting, "n1") as evil, accepted_peer(reacting, "n2"):
        reactions = [evil.expect(m.Job).args]  # to a true salt/auth, that of n2
        assert tell(evil, "please").ok
        while b'["minion/n1/please"]' not in reactions:
            reactions.append(evil.expect(m.Job).args)
        assert set(reactions[:-1]) <= {b'["salt/auth"]', b'["salt/minion/n2/start"]', b'["salt/presence/change"]'}
        for tag in SPOOFS:
            answer = tell(evil, tag)
            assert (answer.ok, answer.value) == (True, f'"minion/n1/{tag}"'.encode())
        for tag in NO_TAGS:
            answer = tell(evil, tag)
            assert (answer.ok, "a tag is words with slashes" in answer.error) == (False, True), tag
        assert tell(evil, "please").ok
        assert evil.expect(m.Job).args == b'["minion/n1/please"]'  # reactions keep the order: there were no others
    assert "Traceback" not in reacting.master.log


def test_the_master_is_asked_nothing_that_is_not_in_its_table(master: System) -> None:
    with accepted_peer(master, "evil") as evil:
        for what in (
            "event.fire",
            "salt.event",
            "reactor.add",
            "runner.run",
            "key.accept",
            "wheel.key",
            "jobs.publish",
        ):
            evil.send(m.Ask(1, what, b'{"tag": "salt/auth", "data": {}, "fun": "key.accept"}'))
            answer = evil.expect(m.Answer)
            assert (answer.ok, answer.value) == (False, b""), what


# --- tokens and users ----------------------------------------------------------------------------------------------


def asks_to_join(master: System, name: str, secret: bytes) -> m.Welcome | m.Denied:
    with Peer(master.control_port, master.master_key) as peer:
        peer.send(join(name, secret))
        reply = peer.receive(WAIT_S)
        assert isinstance(reply, m.Welcome | m.Denied)
        return reply


def test_a_token_is_refused_when_it_is_used_up_or_over_also_where_the_clock_was_set_back(master: System) -> None:
    once = from_text(master.key("token", minion="n*", ttl_s=3600, uses=1)["token"]).secret
    assert isinstance(asks_to_join(master, "n1", once), m.Welcome)
    short = from_text(master.key("token", minion="n*", ttl_s=0.3, uses=9)["token"]).secret
    set_back = from_text(master.key("token", minion="n*", ttl_s=0.3, uses=9)["token"]).secret
    path = master.master.root / "var/lib/saltern/master/master.db"
    with (
        closing(sqlite3.connect(path, timeout=WAIT_S)) as db,
        db,
    ):  # as it looks where the wall clock went back by a day
        db.execute("UPDATE tokens SET expires = expires + 86400 WHERE digest = ?", (sha256(set_back).digest(),))
    time.sleep(0.4)
    for secret in (once, short, set_back):
        reply = asks_to_join(master, "n2", secret)
        assert isinstance(reply, m.Denied)
        assert "unknown, used up or expired" in reply.reason
    assert [record["id"] for record in master.key("list")["accepted"]] == ["n1"]
    assert master.key("list")["pending"] == []


class Command:
    """A connection to the control socket as user nobody has one."""

    def __init__(self, master: System) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(WAIT_S)
        path = str(master.master.root / "run/saltern/master.sock")
        with ThreadPoolExecutor(1, initializer=become_nobody) as pool:  # what counts is who calls connect(2)
            pool.submit(self._connection.connect, path).result()
        self._lines = self._connection.makefile()

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request: the first event that comes."""
        with suppress(BrokenPipeError):
            self._connection.sendall(json.dumps(request).encode() + b"\n")
        return self.next()

    def next(self) -> dict[str, Any]:
        """The next event."""
        event: dict[str, Any] = json.loads(self._lines.readline())
        return event

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._connection.close()


def become_nobody() -> None:
    """Make this thread, and no other, act as nobody, but reach files as root (setresuid(2), setfsuid(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 117, "aarch64": 147}[os.uname().machine]
    assert libc.syscall(number, -1, pwd.getpwnam("nobody").pw_uid, -1) == 0
    libc.setfsuid(0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What ends with the test."""
    with ExitStack() as made:
        yield made


@pytest.mark.root
def test_a_user_who_is_taken_out_is_refused_also_on_what_he_has_open(tmp_path: Path, stack: ExitStack) -> None:
    made = System(tmp_path)
    made.configure(users=["nobody"])
    made.start()
    try:
        request = {"op": "runner", "function": "manage.up", "args": [], "kwargs": {}}
        with closing(Command(made)) as at_first:
            assert at_first.ask(**request)["event"] == "data"
        opened, follows = (stack.enter_context(closing(Command(made))) for _ in range(2))
        assert follows.ask(op="events")["event"] == "following"
        made.configure(users=[])
        late = stack.enter_context(closing(Command(made)))
        for refused in (opened.ask(**request), late.ask(**request), follows.next()):
            assert (refused["event"], refused["kind"]) == ("error", "denied"), refused
            assert "nobody may not command this master" in refused["message"]
        wait_for("it is not told any more", lambda: made.runner("event.followers") == 0)
        (made.master.root / "etc/saltern/master").write_text("users: [nobody\n")
        with closing(Command(made)) as last:
            assert "nobody may not command this master: " in last.ask(**request)["message"]
        assert made.runner("manage.up") == []
    finally:
        made.close()
