"""Commands. They say what to do, not how things should be: `creates`, `unless` and `onlyif` say when there is nothing
to do, and `creates` proves afterwards that it was done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules import _cmd
from modules._file.safe import absolute
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import reaction, state
from saltern.secret import Secret

Env = Mapping[str, Any] | Sequence[Any] | None


@state
def run(
    ctx: Context,
    name: str,
    *,
    creates: str | Sequence[str] = (),
    cwd: str | None = None,
    stdin: str | Secret | None = None,
    runas: str | None = None,
    group: str | None = None,
    shell: str = _cmd.SHELL,
    env: Env = None,
    umask: str | int | None = None,
    timeout: float | None = None,
    hide_output: bool = False,
    output_loglevel: str = "",
    success_retcodes: Sequence[int] = (),
    stateful: bool = False,
    python_shell: bool = True,
    prepend_path: str | None = None,
    use_vt: bool = False,
) -> Plan:
    """Run the command NAME by the shell. It failed if it ends with another code than 0 and those of SUCCESS_RETCODES.

    creates: paths; where all of them exist there is nothing to do, and where one is missing afterwards the run failed.
    cwd: where it runs. runas, group: as whom. env: variables to add. umask: for the files that it makes ('022').
    timeout: seconds until it is killed with all that it started. hide_output (or output_loglevel: quiet): keep its
    output out of the result. stateful: its last line says what it did (`changed=no comment='text'`, or JSON).
    python_shell: False runs the words of NAME without a shell. prepend_path: folders of programs to look into first.
    use_vt is taken for Salt's sake.
    """
    made = paths(creates)
    if made and all(os.path.lexists(path) for path in made):
        return Plan(None, None, comment=f"{', '.join(made)} exists: nothing to do")
    step = command_step(
        name,
        creates=made,
        cwd=cwd,
        stdin=stdin,
        runas=runas,
        group=group,
        shell=shell,
        env=env,
        umask=umask,
        timeout=timeout,
        hide_output=hide_output,
        output_loglevel=output_loglevel,
        success_retcodes=tuple(success_retcodes),
        stateful=stateful,
        python_shell=python_shell,
        prepend_path=prepend_path,
    )
    return Plan(None, None, [step], imperative=True)


@reaction(run)
def run_again(ctx: Context, name: str, **arguments: Any) -> Iterator[Step]:
    """Nothing beyond its plan: the command runs anyway, unless `creates` says that there is nothing to do."""
    return iter(())


@state
def wait(
    ctx: Context,
    name: str,
    *,
    creates: str | Sequence[str] = (),
    cwd: str | None = None,
    stdin: str | Secret | None = None,
    runas: str | None = None,
    group: str | None = None,
    shell: str = _cmd.SHELL,
    env: Env = None,
    umask: str | int | None = None,
    timeout: float | None = None,
    hide_output: bool = False,
    output_loglevel: str = "",
    success_retcodes: Sequence[int] = (),
    stateful: bool = False,
    python_shell: bool = True,
    prepend_path: str | None = None,
    use_vt: bool = False,
) -> Plan:
    """Run the command NAME only when something that it watches changed. Arguments as `cmd.run`."""
    return Plan(None, None, comment="nothing that it watches changed")


@reaction(wait)
def run_now(ctx: Context, name: str, **arguments: Any) -> Iterator[Step]:
    """Run the command, unless what it creates is there."""
    made = paths(arguments.pop("creates", ()))
    if not made or not all(os.path.lexists(path) for path in made):
        yield command_step(name, creates=made, **arguments)


@state
def script(
    ctx: Context,
    name: str,
    *,
    source: str | None = None,
    args: str | Sequence[str] = (),
    creates: str | Sequence[str] = (),
    cwd: str | None = None,
    stdin: str | Secret | None = None,
    runas: str | None = None,
    group: str | None = None,
    env: Env = None,
    umask: str | int | None = None,
    timeout: float | None = None,
    hide_output: bool = False,
    success_retcodes: Sequence[int] = (),
) -> Plan:
    """Run the script SOURCE (default: NAME), a `salt://` file, with the words ARGS. The rest as `cmd.run`."""
    import shlex

    from modules import cp

    made = paths(creates)
    if made and all(os.path.lexists(path) for path in made):
        return Plan(None, None, comment=f"{', '.join(made)} exists: nothing to do")
    local = cp.local_copy(ctx, source or name, ctx.saltenv)
    words = shlex.split(args) if isinstance(args, str) else _cmd.words_of(args)
    options = given(
        creates=made,
        cwd=cwd,
        stdin=stdin,
        runas=runas,
        group=group,
        env=env,
        umask=umask,
        timeout=timeout,
        hide_output=hide_output,
        success_retcodes=tuple(success_retcodes),
    )
    return Plan(
        None,
        None,
        [Step(f"run the script {name}", None, None, do=call(_cmd.script_outcome, local, words, **options))],
        imperative=True,
    )


def paths(creates: str | Sequence[str]) -> tuple[str, ...]:
    """CREATES as absolute paths."""
    return tuple(absolute(path) for path in ([creates] if isinstance(creates, str) else creates))


def given(**options: Any) -> dict[str, Any]:
    """OPTIONS without those that say nothing."""
    return {name: value for name, value in options.items() if value not in (None, (), [], False, _cmd.SHELL)}


def command_step(
    name: str, *, python_shell: bool = True, output_loglevel: str = "", use_vt: bool = False, **options: Any
) -> Step:
    """The one step that runs the command NAME."""
    if output_loglevel == "quiet":
        options["hide_output"] = True
    if not python_shell:
        return Step(f"run {name}", None, None, do=call(_cmd.outcome, name, python_shell=False, **given(**options)))
    return Step(f"run {name}", None, None, do=call(_cmd.outcome, name, **given(**options)))
