"""Events that make the master do something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system import Peer, System, join, wait_for


@pytest.fixture
def made(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path)
    files = {
        "minion/*/please": "x:\n  local.cmd.run:\n    - tgt: {{ data.id }}\n"
        "    - arg: echo {{ data.data.what }} >> %s\n",
        "salt/auth": "{% if data.act == 'pending' %}\nx:\n  wheel.key.accept:\n"
        "    - match: {{ data.id }}\n{% endif %}\n",
        "salt/job/*/ret/*": "x:\n  local.cmd.run:\n    - tgt: n1\n    - arg: touch %s.spoofed\n",
        "salt/broken": "x: [\n",
    }
    (system.states / "reactor").mkdir()
    rules = []
    for number, (tag, text) in enumerate(files.items()):
        (system.states / f"reactor/r{number}.sls").write_text(text.replace("%s", str(tmp_path / "marks")))
        if tag != "salt/job/*/ret/*":
            rules.append({tag: [f"salt://reactor/r{number}.sls"]})
    rules.append({"salt/job/*/ret/evil": ["salt://reactor/r2.sls"]})
    system.configure(reactor=rules)
    try:
        system.start()
        yield system
    finally:
        system.close()


def test_events_make_the_master_act_and_a_minion_speaks_for_nobody_else(made: System, tmp_path: Path) -> None:
    made.minion("n1")
    marks = tmp_path / "marks"
    made.publish("n1", "event.send", "salt/job/20260101000000000000/ret/evil", {"id": "evil"})
    made.publish("n1", "event.send", "please", {"what": "{{ 1 + 1 }}"})
    wait_for("the reactor acts", marks.exists)
    wait_for("it is done", lambda: marks.read_text() == "{{ 1 + 1 }}\n")
    assert not (tmp_path / "marks.spoofed").exists()
    assert [job["User"] for job in made.runner("jobs.list_jobs").values() if job["User"] == "reactor"] == ["reactor"]
    with Peer(made.control_port, made.master_key) as peer:
        peer.send(join("n2"))
        wait_for("the key is accepted", lambda: "n2" in [k["id"] for k in made.key("list")["accepted"]])
