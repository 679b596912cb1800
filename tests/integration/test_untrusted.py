"""What a minion that was taken over, or what it says, can't do to the master, to other minions and to who looks on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import msgspec
import pytest

from saltern.wire import bundle as bundles
from saltern.wire import messages as m
from saltern.wire.bundle import BadBundle, Opened
from saltern.wire.keys import KeyPair, new_pair
from saltern.wire.seal import CannotOpen
from saltern.wire.token import from_text
from tests.integration import commands
from tests.integration.system import Peer, System, hello, wait_for
from tests.patience import WAIT_S

TEMPLATES = ["{{ 7*7 }}", "{% import 'os' as os %}", "{{ ''.__class__.__mro__ }}", "${7*7}", "!!python/name:os.system"]
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\x00"


class Evil(Peer):
    """A minion whose keys the attacker holds, and that says what the attacker likes."""

    def __init__(self, master: System, name: str, grains: dict[str, Any] | None = None) -> None:
        super().__init__(master.control_port, master.master_key)
        self.name, self.seal = name, new_pair()
        secret = from_text(master.key("token", minion=name, ttl_s=60)["token"]).secret
        self.send(m.Join(m.PROTOCOL, "0", name, secret, self.seal.public))
        self.expect(m.Welcome)
        self.send(hello(grains=grains))
        self.expect(m.Welcome)

    def __enter__(self) -> Evil:
        return self

    def bundle(self, grains: dict[str, Any] | None = None) -> m.BundleReply:
        """What the master gives to it."""
        self.send(m.WantBundle(7, grains))
        reply: m.BundleReply = self.expect(m.BundleReply)
        return reply

    def opened(self, raw: bytes, seal: KeyPair | None = None, public: KeyPair | None = None, name: str = "") -> Opened:
        """The bundle RAW opened by its keys, or by others."""
        mark = (public or self.keys).fingerprint
        return bundles.open_bundle((seal or self.seal).secret, mark, name or self.name, bundles.decode(raw))


@contextmanager
def command(master: System, peer: Evil, value: object, *words: str) -> Iterator[commands.Ran]:
    """What `saltern` shows where PEER returns VALUE."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(commands.run, "saltern", master.master.root, peer.name, "test.echo", "x", *words)
        job: m.Job = peer.expect(m.Job)
        peer.send(m.Progress(job.jid, 1, 2, ESCAPES))
        peer.send(m.Return(job.jid, "done", True, 0, msgspec.json.encode(value), 0.0))
        yield shown.result(WAIT_S)


def plant(master: System) -> None:
    """A secret of its own for `a` and for `b`, by every way in which pillar can be given."""
    (master.pillar / "top.sls").write_text(
        "base:\n"
        "  a: [a]\n"
        "  b: [b]\n"
        "  'id:b':\n    - match: grain\n    - b\n"
        "  'G@id:b or E@b':\n    - match: compound\n    - b\n"
        "  '*': [every]\n"
    )
    (master.pillar / "a.sls").write_text("own: secret-of-a\n")
    (master.pillar / "b.sls").write_text("own: secret-of-b\n")
    (master.pillar / "every.sls").write_text(
        "told: {% if grains['id'] == 'b' or grains.get('id') == 'b' or id == 'b' or minion_id == 'b' %}secret-of-b"
        "{% else %}nothing{% endif %}\n"
    )


# --- one minion and another's pillar and files ---------------------------------------------------------------------


def test_a_minion_gets_its_own_pillar_whatever_it_says_it_is(master: System) -> None:
    plant(master)
    with Evil(master, "a", {"id": "b"}) as evil, Evil(master, "b") as other:
        evil.send(m.Grains({"id": "b", "minion_id": "b"}))
        for grains in (None, {"id": "b"}):
            pillar = evil.opened(evil.bundle(grains).bundle).pillar
            assert pillar == {"own": "secret-of-a", "told": "nothing"}
        assert other.opened(other.bundle().bundle).pillar["own"] == "secret-of-b"
        found = commands.run("saltern", master.master.root, "-G", "id:b", "test.ping", "--async")
        listed = master.runner("jobs.list_jobs")
        assert list(master.runner("jobs.lookup_jid", max(listed))["Result"]) == ["b"], found.text


def test_the_bundle_of_another_does_not_open(master: System) -> None:
    plant(master)
    with Evil(master, "a") as evil, Evil(master, "b") as other:
        raw = other.bundle().bundle
        assert b"secret-of-b" not in raw
        assert other.opened(raw).pillar["own"] == "secret-of-b"
        for kwargs in (
            {"seal": evil.seal, "public": evil.keys, "name": "a"},
            {"seal": evil.seal, "public": other.keys, "name": "b"},
            {"seal": other.seal, "public": evil.keys, "name": "b"},
            {"seal": other.seal, "public": other.keys, "name": "a"},
        ):
            with pytest.raises((CannotOpen, BadBundle)):
                evil.opened(raw, **kwargs)  # type: ignore[arg-type]


def test_parts_of_two_bundles_do_not_make_one(master: System) -> None:
    plant(master)
    with Evil(master, "a") as evil, Evil(master, "b") as other:
        mine, theirs = (bundles.decode(peer.bundle().bundle) for peer in (evil, other))
        for mixed in (
            msgspec.structs.replace(mine, pillar=theirs.pillar),
            msgspec.structs.replace(mine, trees=theirs.trees),
            msgspec.structs.replace(mine, context=b"20260101000000000000"),
            msgspec.structs.replace(mine, saltenv="dev"),
        ):
            with pytest.raises((CannotOpen, BadBundle)):
                evil.opened(bundles.encode(mixed))


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "/etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "/.."])
def test_the_files_port_serves_digests_and_nothing_else(master: System, name: str) -> None:
    with Evil(master, "a") as evil, Peer(master.files_port, master.master_key, evil.keys) as files:
        files.send(msgspec.msgpack.encode(["want", [name], 4]))
        wait_for("it is cut off", lambda: "the files connection of" in master.master.log)
        assert not files._socket.poll(200)
        assert evil.bundle().error == ""


# --- the file server -----------------------------------------------------------------------------------------------

OUTSIDE = [
    "salt://../outside",
    "salt:///etc/passwd",
    "salt://a/../../outside",
    "salt://./a",
    "salt://%2e%2e/outside",
    "salt://..%2foutside",
    "salt://..\\outside",
    "salt://|../outside",
    "salt://a//b",
    "salt://link",
    "salt://folder/outside",
    "salt://a?saltenv=../pillar",
    "salt://.git/config",
    "file:///etc/passwd",
    "/etc/passwd",
]


def test_nothing_outside_the_roots_can_be_had_or_listed(master: System) -> None:
    outside = master.folder / "outside"
    outside.write_text("canary-outside")
    (master.states / "a").write_text("a")
    (master.states / "link").symlink_to(outside)
    (master.states / "folder").symlink_to(master.folder)
    (master.states / "inside").symlink_to("a")
    (master.states / ".git").mkdir()
    (master.states / ".git/config").write_text("canary-outside")
    os.mkfifo(master.states / "fifo")
    node = master.minion("n1").root
    run = ["--out", "json"]
    listed = commands.run("saltern", master.master.root, "n1", "cp.list_master", *run).returns["n1"]
    assert listed == ["a", "inside"]
    for env in ("../pillar", "..", "/", "pillar"):
        found = commands.run("saltern", master.master.root, "n1", "cp.list_master", f"saltenv={env}", *run)
        assert found.returns["n1"] in ([], None) or found.code == 1, found.text
    for uri in OUTSIDE:
        target = node / "got"
        for words in (
            ["cp.get_file", uri, str(target)],
            ["cp.get_file_str", uri],
            ["state.single", "file.managed", str(target), f"source={uri}"],
        ):
            if words[0] == "state.single" and "://" not in uri:
                continue  # a source may be a file of the node
            if words[0] == "state.single" and uri.startswith("file:"):
                continue
            ran = commands.run("saltern", master.master.root, "n1", *words)
            assert ran.code == 1, (words, ran.text)
            assert "canary-outside" not in ran.text
            assert not target.exists(), words
    assert commands.run("saltern", master.master.root, "n1", "cp.get_file_str", "salt://inside").code == 0
    blobs = b"".join(file.read_bytes() for file in (master.master.root / "var").rglob("*") if file.is_file())
    assert b"canary-outside" not in blobs
    assert not list((node / "var").rglob("outside"))


# --- what a minion says is data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEMPLATES)
def test_template_text_in_grains_is_only_text(master: System, text: str) -> None:
    (master.pillar / "top.sls").write_text("base:\n  '*': [p]\n  'role:49':\n    - match: grain\n    - hidden\n")
    (master.pillar / "p.sls").write_text(
        "seen: {{ grains['role'] | json }}\nraw: '{{ grains['role'] | replace(\"'\", \"''\") }}'\n"
    )
    (master.pillar / "hidden.sls").write_text("hidden: canary\n")
    with Evil(master, "a", {"role": text, text: text, "deep": [{text: [text]}]}) as evil:
        pillar = evil.opened(evil.bundle().bundle).pillar
        assert pillar == {"seen": text, "raw": text}
        for target in ("role:49", f"role:{text}x", "I@seen:49"):
            form = "-C" if "@" in target else "-G"
            assert commands.run("saltern", master.master.root, form, target, "test.ping").code == 2
    assert "Traceback" not in master.master.log


@pytest.mark.parametrize("text", ["x\nown: stolen", "x\r\ninclude: [b]", "x\u2028own: stolen", "x\x85own: stolen"])
def test_a_grain_can_not_write_lines_of_the_pillar(master: System, text: str) -> None:
    plant(master)
    (master.pillar / "every.sls").write_text("role: {{ grains['role'] }}\n")
    with Evil(master, "a", {"role": text}) as evil:
        reply = evil.bundle()
        assert reply.bundle == b""
        assert "every.sls:1" in reply.error
        assert "line break" in reply.error


def test_a_grain_that_looks_like_yaml_can_not_include(master: System) -> None:
    plant(master)
    (master.pillar / "every.sls").write_text("{{ grains['role'] }}: [b]\n")
    with Evil(master, "a", {"role": "include"}) as evil:
        reply = evil.bundle()
        assert reply.bundle == b""
        assert "include" in reply.error


@pytest.mark.parametrize("text", TEMPLATES)
def test_template_text_in_arguments_and_returns_is_only_text(master: System, text: str) -> None:
    master.minion("n1")
    ran = commands.run("saltern", master.master.root, "n1", "test.echo", text, "--out", "json")
    assert ran.returns == {"n1": text}
    with Evil(master, "a") as evil, command(master, evil, {text: [text]}, "--out", "json") as shown:
        assert shown.returns == {"a": {text: [text]}}
    jid = max(master.runner("jobs.list_jobs"))
    assert master.runner("jobs.lookup_jid", jid)["Result"]["a"]["return"] == {text: [text]}


@pytest.mark.parametrize("out", ["nested", "highstate", "yaml", "json", "txt", "table", "pprint"])
def test_terminal_escapes_in_a_return_do_not_reach_the_terminal(master: System, out: str) -> None:
    state = {
        "__id__": ESCAPES, "name": ESCAPES, "result": True, "comment": ESCAPES, "changes": {ESCAPES: ESCAPES},
        "__run_num__": 0, "duration": ESCAPES, "start_time": ESCAPES, "__sls__": ESCAPES,
    }  # fmt: skip
    for value in (ESCAPES, {ESCAPES: [ESCAPES]}, {f"file_|-{ESCAPES}_|-x_|-managed": state}, [ESCAPES]):
        with Evil(master, "a") as evil, command(master, evil, value, "--out", out, "--progress") as shown:
            assert_harmless(shown)
            assert "owned" in shown.out
        jid = max(master.runner("jobs.list_jobs"))
        assert_harmless(commands.run("saltern-run", master.master.root, "jobs.lookup_jid", jid, "--out", out))
        master.key("delete", match="a")


def assert_harmless(ran: commands.Ran) -> None:
    """No control character but line ends and tabs, and no mark that turns the reading order."""
    odd = {letter for letter in ran.text if not letter.isprintable() and letter not in "\n\t"}
    assert not odd, (odd, ran.text)


def test_terminal_escapes_of_strangers_reach_neither_log_nor_list(master: System) -> None:
    with Peer(master.control_port, master.master_key) as peer:
        peer.send(m.Join(m.PROTOCOL, ESCAPES, "good-name", b"", b"s" * 32))
        peer.expect(m.Pending)
        peer.send(m.Join(m.PROTOCOL, ESCAPES, f"n{ESCAPES}", b"", b"s" * 32))
        peer.receive(2)
    with Evil(master, "a", {"os": ESCAPES}) as evil:
        evil.send(m.Return("20260101000000000000", ESCAPES, True, 0, b"1", 0.0))
        evil.send(m.Called("20260101000000000000", ESCAPES, b"[]", ESCAPES, True, 0, b"1", 0.0))
        evil.expect(m.Stored)
        for words in (["jobs.list_jobs"], ["manage.status"], ["jobs.lookup_jid", "20260101000000000000"]):
            assert_harmless(commands.run("saltern-run", master.master.root, *words))
        assert_harmless(commands.run("saltern-key", master.master.root, "list"))
    assert {letter for letter in master.master.log if not letter.isprintable()} <= {"\n"}


def test_a_job_that_a_minion_makes_up_spoils_no_job_of_the_master(master: System) -> None:
    with Evil(master, "a") as evil:
        evil.send(m.Called("9" * 20, "test.ping", b"[]", "done", True, 0, b"1", 0.0))
        evil.expect(m.Stored)
        keys = evil.keys
    master.master.stop()
    master.start()
    with Peer(master.control_port, master.master_key, keys) as again:
        again.send(hello())
        again.expect(m.Welcome)
        jid = master.ask(op="publish", target="a", function="test.ping", **{"async": True})[0]["jid"]
        assert jid.startswith("20")
        assert again.expect(m.Job).jid == jid
        assert list(master.runner("jobs.list_jobs", 1)) == [jid]
    with closing(sqlite3.connect(master.master.root / "var/lib/saltern/master/master.db")) as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (2,)
