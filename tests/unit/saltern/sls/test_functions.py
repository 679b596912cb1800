"""What templates call as `salt[…]`, and what a run in test mode says of it."""

from __future__ import annotations

from pathlib import Path

from saltern.sls.functions import ACTS
from saltern.sls.render import render_sls
from tests.unit.saltern.sls.files import context

TEXT = "a: 1\nb: {{ salt['cmd.run']('echo 2') }}\nc: {{ salt.cmd.run('echo 3') }}\nd: {{ salt['test.ping']() }}\n"


def test_a_run_in_test_mode_notes_what_its_templates_did(tmp_path: Path) -> None:
    ctx = context(tmp_path, {}, test=True)
    assert render_sls(TEXT, place="a.sls", ctx=ctx, saltenv="base")["c"] == 3
    words = "the template called cmd.run while it was rendered: that ran, although this is a test"
    assert ctx.extra[ACTS] == [f"a.sls:2: {words}", f"a.sls:3: {words}"]


def test_an_apply_has_nothing_to_note(tmp_path: Path) -> None:
    ctx = context(tmp_path, {})
    render_sls(TEXT, place="a.sls", ctx=ctx, saltenv="base")
    assert ACTS not in ctx.extra
