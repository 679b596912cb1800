"""Why a state would run, asked of the master."""

from __future__ import annotations

import json

from tests.integration.system import System
from tests.integration.test_pillar_sources import runner


def test_the_master_tells_why_a_state_of_a_minion_would_run(master: System) -> None:
    master.minion("n1")
    (master.states / "one.sls").write_text(
        "a:\n  cmd.run:\n    - name: echo a\nb:\n  cmd.run:\n    - name: echo b\n    - onchanges:\n      - cmd: a\n"
    )
    ran = runner(master, "state.explain", "n1", "b", "one", "--out", "json")
    [told] = json.loads(ran.stdout)
    assert ran.returncode == 0
    assert told["declared"] == "one (one.sls:4:1)"
    assert told["looks at"] == ["onchanges cmd: a (one.sls:8:9): a would change"]
    wrong = runner(master, "state.explain", "n1", "bb", "one")
    assert wrong.returncode == 1
    assert "there is no state with the id or name 'bb' in this run. Did you mean" in wrong.stdout
    nobody = runner(master, "state.explain", "n2", "b")
    assert nobody.returncode == 2
    assert "there is no accepted minion 'n2'." in nobody.stderr
