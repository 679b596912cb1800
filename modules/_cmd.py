"""How a user's own command is run: as whom, where, by which shell, and what becomes of its output.

The text of the command is the user's, and it goes to the shell as one argument, as it is. Nothing is ever put into it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from modules._run import CommandError, Ran, run
from saltern.converge.plan import Outcome
from saltern.marks import acting
from saltern.secret import Secret

SHELL = "/bin/sh"
SHOWN = 4000  # characters of output that an error repeats


def arguments(command: str | Sequence[str], shell: str, python_shell: bool) -> list[str]:
    """COMMAND as an argument list: a list as it is, a text by SHELL, or split into words where PYTHON_SHELL is
    False."""
    if not isinstance(command, str):
        return words_of(command)
    if python_shell:
        return [shell, "-c", command]
    import shlex

    try:
        return shlex.split(command)
    except ValueError as error:
        raise CommandError(f"can't split into words: {command!r}: {error}") from None


def words_of(given: Sequence[Any]) -> list[str]:
    """The words of a command as texts. CommandError for a secret, since every user sees the words of a process."""
    if any(isinstance(word, Secret) for word in given):
        raise CommandError(
            "a secret can't be a word of a command, where everybody would see it: give it by env or stdin"
        )
    return [str(word) for word in given]


def environment(env: object) -> dict[str, str]:
    """Variables from a mapping, or from a list of mappings or of "NAME=VALUE", as SLS files write them."""
    if env is None:
        return {}
    found: dict[str, str] = {}
    for part in env if isinstance(env, list | tuple) else [env]:
        if isinstance(part, Mapping):
            found.update({str(name): _text(value) for name, value in part.items()})
        elif isinstance(part, str) and "=" in part:
            name, _, value = part.partition("=")
            found[name] = value
        else:
            raise CommandError(f"not a variable of the environment: {part!r}; write NAME: VALUE")
    return found


def _text(value: object) -> str:
    """VALUE for a process: a secret as it is, where its mask would go unnoticed."""
    return value.reveal() if isinstance(value, Secret) else str(value)


def execute(
    command: str | Sequence[str],
    *,
    cwd: str | None = None,
    stdin: str | Secret | None = None,
    runas: str | None = None,
    group: str | None = None,
    shell: str = SHELL,
    python_shell: bool = True,
    env: object = None,
    umask: str | int | None = None,
    timeout: float | None = None,
    merge: bool = False,
) -> Ran:
    """Run COMMAND. CommandError where it can't be started or takes longer than TIMEOUT seconds."""
    from modules._file.owner import bits, gid

    who = _identity(runas) if runas else {}
    home = who.pop("home", None)
    if group:
        who["group"] = gid(group)
    variables = {**who.pop("env", {}), **environment(env)}
    ran = run(
        arguments(command, shell, python_shell),
        timeout_s=timeout,
        cwd=cwd or home,
        env=variables,
        stdin=stdin.reveal() if isinstance(stdin, Secret) else stdin,
        umask=-1 if umask is None else bits(umask),
        merge=merge,
        **who,
    )
    if ran.timed_out:
        said = "\n".join(filter(None, [ran.out.strip(), ran.err.strip()]))[-SHOWN:]
        raise CommandError(
            f"not done within {timeout:g} s, so it was killed with all that it had started"
            + (f"; until then it said:\n{said}" if said else "")
        )
    return ran


def _identity(runas: str) -> dict[str, Any]:
    """What makes a process the user RUNAS's: numbers, groups, variables, home. CommandError for an unknown user."""
    import pwd

    try:
        entry = pwd.getpwnam(runas)
    except KeyError:
        raise CommandError(f"there is no user {runas!r} on this node") from None
    home = entry.pw_dir if os.path.isdir(entry.pw_dir) else "/"
    found: dict[str, Any] = {
        "home": home,
        "env": {"HOME": entry.pw_dir, "USER": runas, "LOGNAME": runas, "SHELL": entry.pw_shell or SHELL},
    }
    if entry.pw_uid != os.geteuid():
        groups = os.getgrouplist(runas, entry.pw_gid)
        found |= {"user": entry.pw_uid, "group": entry.pw_gid, "groups": groups}
    return found


def as_dict(ran: Ran) -> dict[str, Any]:
    """Salt's four: pid, retcode, stdout, stderr, without the closing newline."""
    return {"pid": ran.pid, "retcode": ran.code, "stdout": ran.out.rstrip("\n"), "stderr": ran.err.rstrip("\n")}


@acting
def outcome(
    command: str | Sequence[str],
    *,
    creates: Sequence[str] = (),
    success_retcodes: Sequence[int] = (),
    hide_output: bool = False,
    stateful: bool = False,
    prepend_path: str | None = None,
    **options: Any,
) -> Outcome:
    """Run COMMAND for a state. It went well if it ended with 0 or one of SUCCESS_RETCODES and each path of CREATES is
    there then. STATEFUL: its last line says whether it changed something. PREPEND_PATH: folders to look for programs in
    first. See `execute` for OPTIONS."""
    if prepend_path:
        variables = environment(options.get("env"))
        path = variables.get("PATH") or os.environ.get("PATH") or os.defpath
        options["env"] = {**variables, "PATH": f"{prepend_path}:{path}"}
    try:
        ran = execute(command, **options)
    except CommandError as error:
        return Outcome(False, str(error))
    changes = as_dict(ran)
    if hide_output:
        changes |= {"stdout": "", "stderr": ""}
    words = f'Command "{command}" run' if isinstance(command, str) else f"{command[0]} run"
    if ran.code != 0 and ran.code not in success_retcodes:
        return Outcome(False, f"{words}: it ended with {ran.code}", changes)
    if missing := [path for path in creates if not os.path.lexists(path)]:
        return Outcome(False, f"{words}, but it did not create {', '.join(missing)}", changes)
    return told(ran.out, words, changes) if stateful else Outcome(True, words, changes)


def told(out: str, words: str, changes: Mapping[str, Any]) -> Outcome:
    """What a command says of itself in the last line that it wrote: `changed=yes comment='text'`, or the same as JSON.
    An outcome that is not well where it says nothing of the kind."""
    import json
    import shlex

    last = next((line.strip() for line in reversed(out.splitlines()) if line.strip()), "")
    said: Any = None
    with suppress(ValueError):
        said = json.loads(last) if last.startswith("{") else dict(word.split("=", 1) for word in shlex.split(last))
    if not isinstance(said, dict) or "changed" not in said:
        return Outcome(False, f"{words}, but its last line is no `changed=yes` or `changed=no`: {last!r}", changes)
    changed = str(said.pop("changed")).lower() in ("yes", "true", "1")
    comment = str(said.pop("comment", "")) or words
    return Outcome(True, comment, {**changes, **said} if changed else {})


@acting
def script_outcome(source: str, args: Sequence[str], **options: Any) -> Outcome:
    """Run the file SOURCE on the node as a script with the words ARGS, for a state, from a private copy."""
    with PrivateCopy(source, options.get("runas")) as path:
        return outcome([path, *args], **options)


class PrivateCopy:
    """A copy of a script in a folder that only RUNAS (None: this process's user) may enter, as long as the block
    lasts."""

    def __init__(self, source: str, runas: str | None = None) -> None:
        self._source, self._runas = source, runas
        self._folder = ""

    def __enter__(self) -> str:
        import shutil
        import tempfile

        self._folder = tempfile.mkdtemp(prefix="saltern-script-")  # 0700
        path = os.path.join(self._folder, os.path.basename(self._source))
        shutil.copyfile(self._source, path)
        os.chmod(path, 0o700)
        if self._runas is not None:
            from modules._file.owner import uid

            for mine in (path, self._folder):
                os.chown(mine, uid(self._runas), -1)
        return path

    def __exit__(self, *error: object) -> None:
        import shutil

        shutil.rmtree(self._folder, ignore_errors=True)
