"""What goes wrong around jobs is named, costs what it is about and nothing else, and loses nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from saltern.wire.token import from_text
from tests.integration import commands
from tests.integration.system import BIN, Daemon, System, wait_for
from tests.patience import WAIT_S


def outcome(master: System, jid: str, name: str = "n1") -> str:
    found: str = master.runner("jobs.lookup_jid", jid)["Result"][name]["outcome"]
    return found


def begin(master: System, function: str, *args: object) -> str:
    jid: str = master.ask(op="publish", target="n1", function=function, args=list(args), **{"async": True})[0]["jid"]
    return jid


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 8 MB at PLACE."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(place)], check=True, timeout=WAIT_S)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=WAIT_S)


@contextmanager
def full(place: Path) -> Iterator[None]:
    """No byte is free at PLACE meanwhile."""
    with suppress(OSError), open(place / "filler", "wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            pass
    try:
        yield
    finally:
        (place / "filler").unlink()


# --- what is written down wrong ------------------------------------------------------------------------------------


def test_a_cron_that_is_none_stops_no_other_item_and_no_agent(master: System, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    daemon = master.prepare("n1")
    with (daemon.root / "etc/saltern/minion").open("a") as configuration:
        configuration.write(
            "schedule:\n  bad: {function: test.ping, cron: '0 0 31 2 *'}\n  worse: {function: test.ping, cron: often}\n"
            f"  odd: [1]\n  good: {{function: cmd.run, args: ['echo x >> {marks}'], seconds: 1}}\n"
        )
    daemon.start()
    master.wait_up("n1")
    wait_for("the good one runs", marks.exists)
    listed = commands.run("saltern", master.master.root, "n1", "schedule.list", "--out", "json").returns["n1"][
        "schedule"
    ]
    assert "has a cron that is none: 'often'" in listed["worse"]["problem"]
    assert "odd" in listed["odd"]["problem"]
    assert "problem" in listed["bad"] or listed["bad"]["next"] is None
    assert listed["good"]["next"]
    assert "Traceback" not in daemon.log


def test_a_reactor_file_that_does_not_render_is_named_and_the_others_react(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    made = System(tmp_path)
    (made.states / "reactor").mkdir()
    broken = {"template": "{{ nothing.at.all }}\n", "yaml": "x: [\n", "call": "x:\n  local.cmd.run: []\n"}
    for name, text in broken.items():
        (made.states / f"reactor/{name}.sls").write_text(text)
    good = f"x:\n  local.cmd.run:\n    - tgt: n1\n    - arg: echo x >> {marks}\n"
    (made.states / "reactor/good.sls").write_text(good)
    files = [f"salt://reactor/{name}.sls" for name in [*broken, "missing", "good"]]
    made.configure(reactor=[{"deploy/done": files}])
    try:
        made.start()
        made.minion("n1")
        assert commands.run("saltern-run", made.master.root, "event.send", "deploy/done").code == 0
        wait_for("the good one reacts", marks.exists)
        for name in [*broken, "missing"]:
            wait_for(name, partial(_logged, made, f"reactor: deploy/done: salt://reactor/{name}.sls"))
        assert made.publish("n1", "test.ping")["n1"]["return"] is True
        assert "Traceback" not in made.master.log
    finally:
        made.close()


def _logged(made: System, text: str) -> bool:
    return text in made.master.log


# --- a store that can't store --------------------------------------------------------------------------------------


def test_a_damaged_store_ends_the_master_with_its_name_and_costs_no_return(master: System, tmp_path: Path) -> None:
    daemon = master.minion("n1")
    jid = begin(master, "cmd.run", f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo kept")
    wait_for("it runs", lambda: outcome(master, jid) == "received")
    master.master.stop()
    store = master.master.root / "var/lib/saltern/master/master.db"
    shutil.copy(store, tmp_path / "copy.db")
    store.write_bytes(b"SQLite format 3\0" + b"\xff" * 50_000)
    ran = subprocess.run([*master.master.command], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"saltern-master: {store}: the store can't be opened: "), ran.stderr
    assert "put a copy in its place" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert store.read_bytes().startswith(b"SQLite format 3\0\xff"), "what may be saved is not touched"
    (tmp_path / "go").touch()
    journal = daemon.root / "var/lib/saltern/minion/jobs.journal"
    wait_for("the return waits on the minion", lambda: b"owed" in journal.read_bytes())
    shutil.copy(tmp_path / "copy.db", store)
    master.start()
    wait_for("its return is here", lambda: outcome(master, jid) == "done")


def test_a_store_that_is_damaged_inside_is_named_at_start(master: System) -> None:
    """The first pages are right, so it opens; what lies in the others is not."""
    for number in range(3):
        master.ask(op="key", action="token", minion=f"n{number}", ttl_s=60)
    master.master.stop()
    store = master.master.root / "var/lib/saltern/master/master.db"
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (store.stat().st_size - 4096))
    ran = subprocess.run([*master.master.command], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"saltern-master: {store}: the store "), ran.stderr
    assert "database disk image is malformed. Stop the master and put a copy in its place" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.root
def test_a_full_disk_of_the_master_is_named_and_costs_no_return(tmp_path: Path) -> None:
    made = System(tmp_path)
    with small_disk(made.master.root / "var/lib/saltern") as place:
        try:
            made.start()
            daemon = made.minion("n1")
            jid = begin(made, "cmd.run", f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; head -c 100000 /dev/zero")
            wait_for("it runs", lambda: outcome(made, jid) == "received")
            with full(place):
                (tmp_path / "go").touch()
                wait_for("it is not stored", lambda: "1 ends were not stored, and so not confirmed" in made.master.log)
                refused = commands.run("saltern", made.master.root, "n1", "test.echo", "y" * 100_000)
                assert refused.code == 1
                assert "the store failed: database or disk is full" in refused.err
                assert made.runner("manage.up") == ["n1"]
            daemon.stop()  # which owes the return, also when it is started anew
            daemon.start()
            wait_for("its return is stored", lambda: outcome(made, jid) == "done")
            assert made.publish("n1", "test.ping")["n1"]["return"] is True
            assert "Traceback" not in made.master.log
        finally:
            made.close()


@pytest.mark.root
def test_a_full_disk_of_the_minion_refuses_what_it_could_forget_and_is_named(master: System, tmp_path: Path) -> None:
    daemon = master.prepare("n1")
    var = daemon.root / "var/lib/saltern"
    shutil.copytree(var, tmp_path / "kept")
    with small_disk(var) as place:
        shutil.copytree(tmp_path / "kept", place, dirs_exist_ok=True)
        try:
            daemon.start()
            master.wait_up("n1")
            jid = begin(master, "cmd.run", f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo kept")
            wait_for("it runs", lambda: outcome(master, jid) == "received")
            with full(place):
                for _ in range(300):  # the last page of the journal has some room yet
                    if not master.publish("n1", "test.ping")["n1"]["success"]:
                        break
                ran = commands.run("saltern", master.master.root, "n1", "cmd.run", f"touch {tmp_path}/ran")
                assert ran.code == 1
                assert "Not started: " in ran.text
                assert "the journal of jobs can't be written: No space left on device" in ran.text
                (tmp_path / "go").touch()
                wait_for("the return of what runs is stored", lambda: outcome(master, jid) == "done")
            assert master.publish("n1", "cmd.run", "echo again")["n1"]["return"] == "again"
            assert not (tmp_path / "ran").exists()
        finally:
            daemon.stop()


# --- two of one name -----------------------------------------------------------------------------------------------


def test_an_id_that_another_key_has_is_refused_and_the_first_goes_on(master: System, tmp_path: Path) -> None:
    master.minion("n1")
    token = master.key("token", minion="*", ttl_s=60, uses=5)["token"]
    assert from_text(token).minion == "*"
    for _ in range(2):
        ran = commands.run("saltern-minion", tmp_path / "other", "--id", "n1", "join", token)
        assert ran.code == 1
        assert "the id n1 belongs to another key" in ran.err
        assert "saltern-key delete n1" in ran.err
    assert master.publish("n1", "test.ping")["n1"]["return"] is True
    assert len(master.key("list")["accepted"]) == 1


def test_two_nodes_with_one_key_are_named_and_do_not_push_each_other_out_for_ever(
    master: System, tmp_path: Path
) -> None:
    first = master.minion("n1")
    copied = tmp_path / "copied"
    shutil.copytree(first.root, copied, ignore=shutil.ignore_patterns("run", "log"))
    second = Daemon(copied, [str(BIN / "saltern-minion"), "--root", str(copied), "-l", "info"])
    second.start()
    try:
        wait_for("it is named", lambda: "two agents hold the key of n1" in master.master.log)
        wait_for("the other one is told", lambda: "two agents hold the key of n1" in first.log + second.log)
        master.wait_up("n1")
        seen: list[dict[str, Any]] = [master.publish("n1", "test.ping")["n1"] for _ in range(5)]
        assert [one["return"] for one in seen] == [True] * 5
        assert master.master.log.count("two agents hold the key of n1") < 5  # it comes again twice a second
        assert (first.log + second.log).count("was cut") < 10
    finally:
        second.stop()
    first.stop()
    first.start()  # alone, it is let in
    wait_for("it is back", lambda: first.log.count("runs, key") == 2 and master.runner("manage.up") == ["n1"])
    assert master.publish("n1", "test.ping")["n1"]["return"] is True
