"""What a hostile minion or stranger may say never steers the terminal of who looks on."""

from __future__ import annotations

import json
import subprocess

import pytest

from saltern.wire import messages as m
from tests.integration import commands
from tests.integration.system import BIN, System, accepted_peer, wait_for
from tests.integration.test_untrusted import ESCAPES, assert_harmless
from tests.patience import WAIT_S

TELLING = ("jobs.lookup_jid", "jobs.print_job", "jobs.why", "drift.report")
GRAINS = {"os": ESCAPES, ESCAPES: [ESCAPES, {ESCAPES: ESCAPES}]}


@pytest.mark.parametrize("pretty", [[], ["pretty=True"]], ids=["line", "pretty"])
def test_an_event_is_shown_without_what_steers_a_terminal(master: System, pretty: list[str]) -> None:
    command = [
        str(BIN / "saltern-run"),
        "--root",
        str(master.master.root),
        "state.event",
        "minion/*",
        "count=1",
        *pretty,
    ]
    with accepted_peer(master, "evil") as evil:
        seen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for("somebody follows", lambda: master.runner("event.followers"))
        data = {"tag": "owned", "data": {ESCAPES: [ESCAPES], "id": ESCAPES}}
        evil.send(m.Ask(1, "event.send", json.dumps(data).encode()))
        out, err = seen.communicate(timeout=WAIT_S)
    assert "owned" in out
    assert_harmless(commands.Ran(seen.returncode, out, err))


def test_what_a_minion_tells_of_itself_is_shown_without_what_steers_a_terminal(master: System) -> None:
    with accepted_peer(master, "evil") as evil:
        evil.send(m.Grains(GRAINS))
        steps = [(number, 9, ESCAPES) for number in range(3)]
        jid = master.ask(op="publish", target="evil", function="state.apply", **{"async": True})[0]["jid"]
        evil.expect(m.Job)
        for step in steps:
            evil.send(m.Progress(jid, *step))
        failed = {
            f"file_|-{ESCAPES}_|-x_|-managed": {
                "__id__": ESCAPES, "name": ESCAPES, "result": False, "comment": ESCAPES, "changes": {ESCAPES: ESCAPES},
                "__run_num__": 0, "duration": 1, "start_time": ESCAPES, "__sls__": ESCAPES, "warnings": [ESCAPES],
            }
        }  # fmt: skip
        evil.send(m.Return(jid, "failed", False, 2, json.dumps(failed).encode(), 0.0))
        evil.expect(m.Stored)
        for words in (
            ["jobs.lookup_jid", jid],
            ["jobs.print_job", jid],
            ["jobs.why", "evil"],
            ["drift.report"],
            ["jobs.list_jobs"],
            ["manage.status"],
        ):
            for out in ("nested", "json", "yaml"):
                shown = commands.run("saltern-run", master.master.root, *words, "--out", out)
                assert_harmless(shown)
                assert "owned" in shown.out or words[0] not in TELLING, shown.text
        for form, target in (("-G", f"os:{ESCAPES[:10]}"), ("-C", f"G@os:{ESCAPES[:10]}")):
            assert_harmless(commands.run("saltern", master.master.root, form, target, "test.ping"))
    assert {letter for letter in master.master.log if not letter.isprintable()} <= {"\n"}
