"""What passes on the wire, and what lies on the disks, tells a listener nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system import Daemon, System, wait_for
from tests.integration.tap import Tap

STATE, PILLAR, RETURN, SOURCE = (f"canary-{name}-" + "c0ffee" * 4 for name in ("state", "pillar", "return", "source"))


@pytest.fixture
def tapped(master: System) -> Iterator[tuple[System, Daemon, Tap]]:
    """A minion that reaches its master through a tap."""
    daemon = master.prepare("n1")
    joined = daemon.root / "var/lib/saltern/minion/keys/master"
    known = json.loads(joined.read_text())
    known["address"] = f"127.0.0.2:{master.control_port}"
    joined.write_text(json.dumps(known))
    tap = Tap(master.control_port, master.files_port)
    daemon.start()
    master.wait_up("n1")
    yield master, daemon, tap
    tap.close()


def plant(master: System, daemon: Daemon) -> None:
    target = daemon.root / "made"
    (master.states / "top.sls").write_text("base:\n  '*':\n    - secret\n")
    (master.states / "secret.sls").write_text(
        f"# {STATE}\n{target}:\n  file.managed:\n    - source: salt://source.txt\n    - template: jinja\n"
        "    - show_changes: true\n    - context:\n        word: {{ pillar['word'] }}\n"
    )
    (master.states / "source.txt").write_text(SOURCE + " {{ word }}\n")
    (master.pillar / "top.sls").write_text("base:\n  '*':\n    - words\n")
    (master.pillar / "words.sls").write_text(f"word: {PILLAR}\n")


def test_no_plain_text_of_states_pillar_or_returns_is_on_the_wire(tapped: tuple[System, Daemon, Tap]) -> None:
    master, daemon, tap = tapped
    plant(master, daemon)
    applied = master.publish("n1", "state.apply")["n1"]
    assert applied["success"], applied
    assert (daemon.root / "made").read_text() == f"{SOURCE} {PILLAR}\n"
    assert RETURN in str(master.publish("n1", "test.echo", RETURN)["n1"]["return"])
    assert PILLAR in str(master.publish("n1", "pillar.items")["n1"]["return"])
    assert len(tap.seen) > 2000
    for canary in (STATE, PILLAR, RETURN, SOURCE, "state.apply", "secret.sls"):
        assert canary.encode() not in tap.seen, canary


def test_what_a_minion_keeps_of_its_pillar_is_sealed(tapped: tuple[System, Daemon, Tap]) -> None:
    master, daemon, _ = tapped
    plant(master, daemon)
    assert master.publish("n1", "state.apply")["n1"]["success"]
    for folder, _, files in os.walk(daemon.root / "var/lib/saltern/minion/cache"):
        for name in files:
            data = Path(folder, name).read_bytes()
            assert PILLAR.encode() not in data, name


def test_blobs_on_the_master_are_ciphertext(tapped: tuple[System, Daemon, Tap]) -> None:
    master, daemon, _ = tapped
    plant(master, daemon)
    assert master.publish("n1", "state.apply")["n1"]["success"]
    blobs = [
        os.path.join(folder, name)
        for folder, _, files in os.walk(master.master.root / "var/lib/saltern/master")
        for name in files
        if len(name) == 64
    ]
    assert blobs
    for path in blobs:
        data = Path(path).read_bytes()
        assert STATE.encode() not in data
        assert SOURCE.encode() not in data


def test_a_line_that_is_cut_in_the_middle_loses_no_return(tapped: tuple[System, Daemon, Tap]) -> None:
    master, daemon, tap = tapped
    counter = daemon.root / "count"
    job = master.ask(
        op="publish", target="n1", function="cmd.run", args=[f"sleep 0.5; echo x >> {counter}"], **{"async": True}
    )[0]
    tap.cut()
    wait_for("its end", lambda: master.runner("jobs.lookup_jid", job["jid"])["Result"]["n1"]["outcome"] == "done")
    assert counter.read_text() == "x\n"
