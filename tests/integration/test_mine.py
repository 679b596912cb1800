"""What minions tell each other through the master, and have each other run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system import System, wait_for


@pytest.fixture
def two(tmp_path: Path) -> Iterator[System]:
    made = System(tmp_path)
    made.configure(peer={"n1": [{"n2": ["test.*", "cmd.run"]}]})
    (made.pillar / "top.sls").write_text("base: {n2: [mine]}")
    (made.pillar / "mine.sls").write_text(
        "mine_functions:\n  name: {mine_function: test.echo, text: from n2, allow_tgt: n1}\n"
        "  test.version: []\n  broken: {mine_function: no.such}\n"
    )
    try:
        made.start()
        for name in ("n1", "n2"):
            made.minion(name)
        yield made
    finally:
        made.close()


def test_what_the_pillar_says_is_told_and_reaches_those_it_is_meant_for(two: System) -> None:
    wait_for("the schedule has it told", lambda: two.runner("mine.get", "*", "test.version"))
    assert two.runner("mine.get", "*", "name") == {"n2": "from n2"}
    found = two.publish("*", "mine.get", "*", "name")
    assert (found["n1"]["return"], found["n2"]["return"]) == ({"n2": "from n2"}, {"n2": "from n2"})
    assert two.publish("n1", "mine.get", "*", "test.version")["n1"]["return"] == {}
    two.states.joinpath("show.sls").write_text(
        "{% for id, value in salt['mine.get']('*', 'name').items() %}\n"
        "{{ id }}:\n  test.configurable_test_state:\n    - comment: {{ value }}\n{% endfor %}\n"
    )
    returned = two.publish("n1", "state.apply", "show")["n1"]
    assert "from n2" in str(returned["return"])
    failed = two.publish("n2", "mine.update")["n2"]
    assert (failed["success"], "broken" in str(failed["return"])) == (False, True)
    assert two.publish("n1", "mine.send", "mark", "x", mine_function="test.echo")["n1"]["return"] is True
    assert two.publish("*", "mine.get", "n1", "mark")["n2"]["return"] == {}
    two.key("delete", match="n2")
    assert two.runner("mine.get", "*", "name") == {}


def test_one_minion_has_another_run_only_what_is_granted(two: System, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    done = two.publish("n1", "publish.publish", "n2", "cmd.run", f"echo x >> {marks}; echo y")["n1"]
    assert (done["return"], marks.read_text()) == ({"n2": "y"}, "x\n")
    for target, function in (("n1", "test.ping"), ("*", "test.ping"), ("n2", "state.apply")):
        refused = two.publish("n1", "publish.publish", target, function)["n1"]
        assert (refused["success"], "may not have" in refused["return"]) == (False, True), refused
    assert "may not have" in two.publish("n2", "publish.publish", "n1", "test.ping")["n2"]["return"]
    assert "peer/n1" in str(two.runner("jobs.list_jobs"))
