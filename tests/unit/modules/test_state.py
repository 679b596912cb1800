"""State runs: what they return, when they are refused, and that a mistake ends them before the first change."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules._state import lock as state_lock
from saltern.config import Config
from saltern.context import Context
from saltern.errors import SourceError
from saltern.files import LocalFiles
from saltern.lazy import LazyMapping
from saltern.runner import FunctionResult, run_function
from tests.patience import WAIT_S


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    """A node with an empty tree in `tmp_path/states`."""
    (tmp_path / "states").mkdir()
    return Context(
        id="on-node1",
        config=Config(root=tmp_path / "root", id="on-node1"),
        grains={"id": "on-node1", "os": "Debian"},
        pillar={"colour": "red", "net": {"vlan": 43}},
        files=LocalFiles({"base": [str(tmp_path / "states")]}),
        jid="20260101120000000001",
    )


def write(ctx: Context, **files: str) -> Context:
    """Put SLS into the tree: `write(ctx, web="…")` is `web.sls`."""
    folder = Path(ctx.config.root).parent / "states"
    for name, text in files.items():
        (folder / f"{name}.sls").write_text(text)
    return replace(ctx, files=LocalFiles({"base": [str(folder)]}))


def run(ctx: Context, name: str, *args: Any, **kwargs: Any) -> FunctionResult:
    return run_function(f"state.{name}", args, kwargs, ctx)


def motd(ctx: Context) -> tuple[Path, str]:
    """A file, and the SLS that puts the pillar's colour into it."""
    path = Path(ctx.config.root).parent / "motd"
    return path, f"motd:\n  file.managed:\n    - name: {path}\n    - contents: {{{{ pillar.colour }}}}\n"


def tags(result: FunctionResult) -> list[str]:
    return [tag.split("_|-")[1] for tag in result.value]


def test_apply_converges_and_again_changes_nothing(ctx: Context) -> None:
    path, sls = motd(ctx)
    ctx = write(ctx, web=sls)
    (first,) = run(ctx, "apply", "web").value.values()
    assert (first["result"], first["changes"], path.read_text()) == (True, {"diff": "New file"}, "red\n")
    (second,) = run(ctx, "apply", "web").value.values()
    assert (second["result"], second["changes"]) == (True, {})


@pytest.mark.parametrize("how", ["argument", "context", "state.test"])
def test_test_mode_changes_nothing_and_takes_no_lock(ctx: Context, how: str) -> None:
    path, sls = motd(ctx)
    ctx = write(ctx, web=sls)
    if how == "state.test":
        result = run(ctx, "test", "web")
    elif how == "argument":
        result = run(ctx, "apply", "web", test=True)
    else:
        result = run(replace(ctx, test=True), "apply", "web")
    (only,) = result.value.values()
    assert (only["result"], result.retcode, path.exists()) == (None, 0, False)
    assert not Path(ctx.config.root).exists()


def test_the_highstate_is_what_the_top_file_gives(ctx: Context) -> None:
    ctx = write(
        ctx,
        top="base:\n  'on-*': [a]\n  'os:Debian':\n    - match: grain\n    - b\n  'x*': [c]\n",
        a="a: {test.nop: []}\n",
        b="b: {test.nop: []}\n",
        c="c: {test.nop: []}\n",
    )
    assert tags(run(ctx, "apply")) == tags(run(ctx, "highstate")) == ["a", "b"]
    assert run(ctx, "show_top").value == {"base": ["a", "b"]}
    assert run(ctx, "show_states").value == ["a", "b"]
    assert tags(run(ctx, "highstate", exclude="b")) == ["a"]


def test_a_highstate_without_states_is_a_failure_as_salts(ctx: Context) -> None:
    ctx = write(ctx, top="base:\n  'x*': [a]\n", a="a: {test.nop: []}\n")
    result = run(ctx, "highstate")
    assert list(result.value) == ["no_|-states_|-states_|-None"]
    assert (result.success, result.retcode) == (False, 2)


def test_a_failed_state_makes_the_return_code_2(ctx: Context) -> None:
    ctx = write(ctx, a="a: {test.fail_without_changes: []}\n")
    result = run(ctx, "sls", "a")
    assert (result.success, result.retcode, result.misused) == (False, 2, False)


@pytest.mark.parametrize(
    "broken", ["a: {file.managd: []}\n", "a: {test.nop: [}\n", "{{ pillar.nosuch.x }}\n", "a:\n\ttest.nop\n"]
)
def test_a_mistake_in_the_tree_ends_the_run_before_its_first_change(ctx: Context, broken: str) -> None:
    path, sls = motd(ctx)
    ctx = write(ctx, web=sls, broken=broken)
    result = run(ctx, "apply", "web,broken")
    assert (result.success, result.retcode, path.exists()) == (False, 1, False)
    assert isinstance(result.value, list)
    assert all(text.startswith(("broken.sls:1:", "broken.sls:2:")) for text in result.value)


def test_a_mistake_in_the_pillar_ends_the_run_even_if_no_state_asks_for_it(ctx: Context) -> None:
    def fail() -> dict[str, Any]:
        raise SourceError("mapping values are not allowed here", file="top.sls", line=3, column=4)

    path, sls = motd(ctx)
    ctx = replace(write(ctx, web=sls.replace("{{ pillar.colour }}", "x")), pillar=LazyMapping(fail))
    result = run(ctx, "apply", "web")
    assert (result.value, result.retcode) == (["top.sls:3:4: mapping values are not allowed here"], 1)
    assert not path.exists()


def test_pillar_of_the_command_line_wins_and_is_merged(ctx: Context) -> None:
    ctx = write(ctx, a="'{{ pillar.colour }} {{ pillar.net.vlan }} {{ pillar.net.mtu }}': {test.nop: []}\n")
    assert tags(run(ctx, "apply", "a", pillar={"colour": "blue", "net": {"mtu": 9000}})) == ["blue 43 9000"]


def test_pillar_is_compiled_with_the_values_of_the_command_line_where_it_is_compiled_here(ctx: Context) -> None:
    ctx = replace(write(ctx, a="'{{ pillar.x }}': {test.nop: []}\n"), extra={"compile_pillar": lambda given: given})
    assert tags(run(ctx, "apply", "a", pillar={"x": "y"})) == ["y"]


@pytest.mark.parametrize("argument", [{"pillar": "x"}, {"test": "yes please"}])
def test_an_ill_typed_argument_is_refused(ctx: Context, argument: dict[str, Any]) -> None:
    result = run(write(ctx, a="a: {test.nop: []}\n"), "apply", "a", **argument)
    assert (result.success, result.retcode) == (False, 1)
    assert next(iter(argument)) + "=" in result.value


def test_a_single_state_is_run_by_its_name_and_arguments(ctx: Context) -> None:
    path, _ = motd(ctx)
    (only,) = run(ctx, "single", "file.managed", str(path), contents="hi").value.values()
    assert (only["result"], path.read_text()) == (True, "hi\n")
    wrong = run(ctx, "single", "file.managed", str(path), contets="hi")
    assert wrong.retcode == 1
    assert "contets" in wrong.value[0]


def test_an_id_is_run_with_what_it_needs(ctx: Context) -> None:
    ctx = write(ctx, a="a: {test.nop: []}\nb: {test.nop: []}\nc: {test.nop: [{require: [{test: b}]}]}\n")
    assert tags(run(ctx, "sls_id", "c", "a")) == ["b", "c"]
    assert "no id 'd'" in run(ctx, "sls_id", "d", "a").value[0]


def test_an_id_that_cleans_keeps_what_the_rest_of_its_sls_has_there(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("f", "gone"):
        (tmp_path / "d" / name).write_text("")
    text = f"d:\n  file.directory: [name: {tmp_path}/d, clean: True]\nf: {{file.touch: [name: {tmp_path}/d/f]}}\n"
    assert tags(run(write(ctx, a=text), "sls_id", "d", "a")) == ["d"]
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["f"]


def test_an_sls_may_come_as_a_text_or_a_file_of_the_node(ctx: Context, tmp_path: Path) -> None:
    assert tags(run(ctx, "template_str", "'{{ grains.os }}': {test.nop: []}")) == ["Debian"]
    (tmp_path / "x.sls").write_text("here: {test.nop: []}")
    assert tags(run(ctx, "template", str(tmp_path / "x.sls"))) == ["here"]
    assert (
        run(ctx, "template", "/nosuch.sls").value == "state.template: can't read /nosuch.sls: No such file or directory"
    )


def test_what_a_run_would_work_with_can_be_looked_at(ctx: Context) -> None:
    path, sls = motd(ctx)
    ctx = write(ctx, web=sls + "b:\n  test.nop:\n    - require: [{file: motd}]\n", top="base: {'*': [web]}\n")
    high = run(ctx, "show_sls", "web").value
    assert high["motd"]["file"][:2] == [{"name": str(path)}, {"contents": "red"}]
    assert high == run(ctx, "show_highstate").value
    low = run(ctx, "show_low_sls", "web").value
    assert low == run(ctx, "show_lowstate").value
    assert [(one["state"], one["fun"], one["__id__"], one["order"]) for one in low] == [
        ("file", "managed", "motd", 10000), ("test", "nop", "b", 10001),
    ]  # fmt: skip
    assert low[1]["require"] == [{"file": "motd"}]
    assert run(ctx, "show_sls", "nosuch").retcode == 1
    assert not path.exists()


def test_whether_there_is_an_sls_or_an_id(ctx: Context) -> None:
    ctx = write(ctx, web="a: {test.nop: []}\n", top="base: {'*': [web]}\n")
    assert run(ctx, "sls_exists", "web").value is True
    assert run(ctx, "sls_exists", "web,nosuch").value is False
    assert run(ctx, "id_exists", "a").value is True
    assert run(ctx, "id_exists", "b", "web").value is False


def test_a_second_run_is_refused_and_told_who_works(ctx: Context) -> None:
    ctx = write(ctx, a="a: {test.nop: []}\n")
    lock = state_lock.lock_file(ctx.config.paths.var)
    with state_lock.held(lock, jid="20260101000000000000", fun="state.sls", wait=False):
        result = run(ctx, "apply", "a")
        assert (result.retcode, result.success) == (1, False)
        (text,) = result.value
        assert f'The function "state.sls" is running as PID {os.getpid()} and was started at ' in text
        assert "with jid 20260101000000000000" in text
        assert run(ctx, "running").value == [text]
        assert run(ctx, "apply", "a", test=True).retcode == 0
        assert run(ctx, "apply", "a", concurrent=True).retcode == 0
    assert run(ctx, "running").value == []
    assert run(ctx, "apply", "a").retcode == 0


def test_a_queued_run_waits_for_the_one_at_work(ctx: Context) -> None:
    ctx = write(ctx, a="a: {test.nop: []}\n")
    done: list[FunctionResult] = []
    thread = threading.Thread(target=lambda: done.append(run(ctx, "apply", "a", queue=True)))
    with state_lock.held(state_lock.lock_file(ctx.config.paths.var), jid="1", fun="f", wait=False):
        thread.start()
        thread.join(0.3)
        assert done == []
    thread.join(WAIT_S)
    assert done[0].retcode == 0


def test_the_lock_is_free_after_a_run_that_broke(ctx: Context, tmp_path: Path) -> None:
    lock = tmp_path / "x" / "state.lock"
    with pytest.raises(KeyboardInterrupt), state_lock.held(lock, jid="1", fun="f", wait=False):
        raise KeyboardInterrupt
    assert state_lock.owner(lock) is None
    assert oct(lock.stat().st_mode & 0o777) == "0o600"
