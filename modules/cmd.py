"""Commands that a user writes, run on the node.

A text is run by `/bin/sh -c`, as it is written; a list is run without a shell. Output is UTF-8 (other bytes are
replaced) and cut after 10 MiB. TIMEOUT, in seconds, ends the command with all that it started; there is none by
default. A command that ends with another code than 0 makes the job fail with that code, unless `ignore_retcode=True`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules._cmd import SHELL, PrivateCopy, as_dict, execute, words_of
from modules._run import CommandError, told
from modules._run import which as _which
from saltern.context import Context
from saltern.marks import acting, reading
from saltern.secret import Secret

Command = str | Sequence[str]
Env = Mapping[str, Any] | Sequence[Any] | None


@acting
def run(
    cmd: Command,
    cwd: str | None = None,
    stdin: str | Secret | None = None,
    runas: str | None = None,
    group: str | None = None,
    shell: str = SHELL,
    python_shell: bool = True,
    env: Env = None,
    umask: str | int | None = None,
    timeout: float | None = None,
    ignore_retcode: bool = False,
    raise_err: bool = False,
    success_retcodes: Sequence[int] = (),
) -> Any:
    """Run CMD and give its output, errors among it in their order.

    cwd: where (default: the home of RUNAS, else where the agent stands). stdin: what it reads. runas, group: as whom.
    env: variables to add. umask: for files that it makes ('022'). python_shell: False runs without a shell.
    raise_err: fail where it ends with another code than 0 and those of SUCCESS_RETCODES.
    """
    ran = execute(
        cmd,
        cwd=cwd,
        stdin=stdin,
        runas=runas,
        group=group,
        shell=shell,
        python_shell=python_shell,
        env=env,
        umask=umask,
        timeout=timeout,
        merge=True,
    )
    if raise_err and not ignore_retcode and ran.code not in (0, *success_retcodes):
        raise CommandError(f"the command ended with {ran.code}\n{ran.out.strip()}")
    return told(ran.out.rstrip("\n"), 0 if ignore_retcode or ran.code in success_retcodes else ran.code)


@acting
def shell(cmd: Command, **options: Any) -> Any:
    """As `cmd.run`, always by the shell."""
    return run(cmd, **{**options, "python_shell": True})


@acting
def run_all(cmd: Command, redirect_stderr: bool = False, ignore_retcode: bool = False, **options: Any) -> Any:
    """Run CMD: {"pid", "retcode", "stdout", "stderr"}. Options as `cmd.run`."""
    ran = execute(cmd, **_known(options), merge=redirect_stderr)
    return told(as_dict(ran), 0 if ignore_retcode else ran.code)


@acting
def run_stdout(cmd: Command, ignore_retcode: bool = False, **options: Any) -> Any:
    """Run CMD: what it printed. Options as `cmd.run`."""
    ran = execute(cmd, **_known(options))
    return told(ran.out.rstrip("\n"), 0 if ignore_retcode else ran.code)


@acting
def run_stderr(cmd: Command, ignore_retcode: bool = False, **options: Any) -> Any:
    """Run CMD: the errors that it printed. Options as `cmd.run`."""
    ran = execute(cmd, **_known(options))
    return told(ran.err.rstrip("\n"), 0 if ignore_retcode else ran.code)


@acting
def retcode(cmd: Command, ignore_retcode: bool = False, **options: Any) -> Any:
    """Run CMD: the code that it ended with; below 0 the number of the signal that ended it. Options as `cmd.run`."""
    code = execute(cmd, **_known(options)).code
    return told(code, 0 if ignore_retcode else code)


@acting
def script(ctx: Context, source: str, args: Command = (), saltenv: str = "base", **options: Any) -> Any:
    """Run the script `salt://SOURCE` with ARGS from a private copy; result and options as `cmd.run_all`."""
    import shlex

    from modules import cp

    words = shlex.split(args) if isinstance(args, str) else words_of(args)
    with PrivateCopy(cp.local_copy(ctx, source, saltenv), options.get("runas")) as path:
        ran = execute([path, *words], **_known(options))
    return told(as_dict(ran), ran.code)


@reading
def which(cmd: str) -> str | None:
    """The full path of the program CMD, or None."""
    return _which(cmd)


@reading
def which_bin(cmds: Sequence[str]) -> str | None:
    """The full path of the first of the programs CMDS that exists, or None."""
    return next((found for name in cmds if (found := _which(name))), None)


@reading
def has_exec(cmd: str) -> bool:
    """Whether there is a program CMD."""
    return _which(cmd) is not None


_OPTIONS = ("cwd", "stdin", "runas", "group", "shell", "python_shell", "env", "umask", "timeout")


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """OPTIONS, checked. CommandError names one that is unknown, and the nearest that is known."""
    from saltern.errors import nearest

    for name in options:
        if name not in _OPTIONS:
            raise CommandError(f"cmd has no option {name!r}.{nearest(name, _OPTIONS)}")
    return dict(options)
