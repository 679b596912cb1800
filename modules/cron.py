"""Jobs of cron(8): the crontabs of users, read and written by crontab(1).

A job is known by its identifier, else by its command. Of a crontab only what stands below Salt's mark is managed, in
Salt's form (`modules/_cron/crontab.py`); each other line stays byte for byte. A changed crontab replaces the old one at
once, or not at all.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import Any

from modules._cron import crontab
from modules._cron import fields as cron_fields
from modules._cron.crontab import Env, Job
from modules._cron.fields import FIELDS
from modules._file.contents import Contents
from modules._run import run, which
from saltern.errors import PermanentError
from saltern.marks import acting, reading
from saltern.secret import Secret

LIMIT_S = 60.0
SIZE_LIMIT = 1 << 20  # bytes of a crontab
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")
_editing = threading.Lock()  # states that run in parallel may edit one crontab


class CronError(PermanentError):
    """A crontab can't be read or written."""


class NoCrontab(CronError):
    """There is no such user yet, or no crontab(1)."""


@reading
def raw_cron(user: str) -> str:
    """The crontab of USER; "" where there is none."""
    return text_of(user).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def text_of(user: str) -> str:
    """The crontab of USER, in which bytes that are no UTF-8 are kept (PEP 383). NoCrontab, CronError."""
    import subprocess

    argv = [*_command(user), "-l"]
    try:
        ran = subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C", "CRONTAB_NOHEADER": "Y"},  # Debian's own first lines are not part of it
        )
    except subprocess.TimeoutExpired:
        raise CronError(f"{' '.join(argv)} did not end within {LIMIT_S:g} s") from None
    except OSError as error:
        raise CronError(f"can't run {argv[0]}: {error.strerror}") from None
    said = ran.stderr.decode("utf-8", "replace").strip()
    if ran.returncode != 0:
        if said.lower().startswith("no crontab for"):
            return ""
        raise CronError(f"the crontab of {user} can't be read: {said or f'crontab ended with {ran.returncode}'}")
    if len(ran.stdout) > SIZE_LIMIT:
        raise CronError(f"the crontab of {user} is too long to be edited: {len(ran.stdout)} bytes")
    return ran.stdout.decode("utf-8", "surrogateescape")


@reading
def list_tab(user: str) -> dict[str, list[Any]]:
    """The crontab of USER in its parts: {"pre": lines that are not managed, "env": [{"name", "value"}], "crons":
    [{"minute", …, "cmd", "identifier", "comment", "commented"}], "special": [{"spec", "cmd", …}]}."""
    text = raw_cron(user)
    found: dict[str, list[Any]] = {"pre": [], "crons": [], "special": [], "env": []}
    for part in crontab.parse(text):
        if part.value is None and part.lines[0].removesuffix("\n") == crontab.MARK:
            break
        found["pre"] += [line.removesuffix("\n") for line in part.lines]
    for job in crontab.jobs(text):
        found["special" if job.when.startswith("@") else "crons"].append(_as_dict(job))
    found["env"] = [{"name": env.name, "value": env.value} for env in crontab.variables(text)]
    return found


@reading
def ls(user: str) -> dict[str, list[Any]]:
    """As `cron.list_tab`."""
    return list_tab(user)


@reading
def get_entry(user: str, identifier: str | None = None, cmd: str | None = None) -> dict[str, Any] | bool:
    """The managed job of USER with this IDENTIFIER, or this CMD; False where there is none."""
    for job in crontab.jobs(raw_cron(user)):
        if (identifier is not None and job.identifier == identifier) or (cmd is not None and job.cmd == cmd):
            return _as_dict(job)
    return False


@acting
def set_job(
    user: str,
    minute: str | int,
    hour: str | int,
    daymonth: str | int,
    month: str | int,
    dayweek: str | int,
    cmd: str,
    commented: bool = False,
    comment: str | None = None,
    identifier: str | None = None,
) -> str:
    """Have CMD run for USER at these times. "new", "updated", or "present" where it did so before. COMMENT None keeps
    the one that is there; COMMENTED keeps the job and does not run it."""
    values = (minute, hour, daymonth, month, dayweek)
    when = cron_fields.when(dict(zip(FIELDS, values, strict=True)), None)
    return _set(user, when, cmd, commented, comment, identifier)


@acting
def set_special(
    user: str,
    special: str,
    cmd: str,
    commented: bool = False,
    comment: str | None = None,
    identifier: str | None = None,
) -> str:
    """Have CMD run for USER by the word SPECIAL (`@daily`). What is told is as of `cron.set_job`."""
    return _set(user, cron_fields.when({}, special), cmd, commented, comment, identifier)


@acting
def rm_job(
    user: str,
    cmd: str,
    minute: str | int | None = None,
    hour: str | int | None = None,
    daymonth: str | int | None = None,
    month: str | int | None = None,
    dayweek: str | int | None = None,
    identifier: str | None = None,
) -> str:
    """Take the job CMD, or the one with IDENTIFIER, from USER: "removed", or "absent" where there was none. With times,
    only one that runs at them."""
    times = dict(zip(FIELDS, (minute, hour, daymonth, month, dayweek), strict=True))
    given = {name: str(value) for name, value in times.items() if value is not None}

    def change(text: str) -> str:
        job = crontab.job_of(text, cmd, identifier)
        have = {} if job is None else _as_dict(job)
        fits = all(have.get(name) == value for name, value in given.items())
        return crontab.without_job(text, cmd, identifier) if fits else text

    return "removed" if _edit(user, change) else "absent"


@acting
def rm(user: str, cmd: str, identifier: str | None = None) -> str:
    """As `cron.rm_job`."""
    return rm_job(user, cmd, identifier=identifier)


@acting
def rm_special(user: str, cmd: str, special: str | None = None, identifier: str | None = None) -> str:
    """As `cron.rm_job`; SPECIAL: only one that runs at that word (`@daily`)."""
    job = crontab.job_of(text_of(user), cmd, identifier)
    if job is None or special not in (None, job.when):
        return "absent"
    return rm_job(user, cmd, identifier=identifier)


@acting
def set_env(user: str, name: str, value: str | Secret | None = None) -> str:
    """Give the jobs of USER the variable NAME. "new", "updated" or "present"."""
    wanted = variable(name, value)
    there = any(env.name == name for env in crontab.variables(text_of(user)))
    changed = _edit(user, lambda text: crontab.with_env(text, wanted))
    return "present" if not changed else "updated" if there else "new"


@acting
def rm_env(user: str, name: str) -> str:
    """Take the variable NAME from the jobs of USER: "removed", or "absent" where there was none."""
    return "removed" if _edit(user, lambda text: crontab.without_env(text, name)) else "absent"


@acting
def write_cron_file(user: str, path: str) -> bool:
    """Make the file PATH the crontab of USER."""
    _install(user, path)
    return True


@acting
def write_cron_file_verbose(user: str, path: str) -> dict[str, Any]:
    """As `cron.write_cron_file`, with what crontab(1) said: {"retcode", "stdout", "stderr"}."""
    ran = run([*_command(user), path], timeout_s=LIMIT_S, env={"LC_ALL": "C"})
    return {"retcode": ran.code, "stdout": ran.out.rstrip("\n"), "stderr": ran.err.rstrip("\n")}


@acting
def put(user: str, contents: Contents) -> bool:
    """Make CONTENTS the whole crontab of USER. For states."""
    with _editing:
        _write(user, b"".join(contents.chunks()))
    return True


def variable(name: str, value: str | Secret | None) -> Env:
    """A variable as a crontab has it. BadCron where it can't."""
    text = value.reveal() if isinstance(value, Secret) else value or ""
    return Env(cron_fields.variable(name), crontab.env_text(cron_fields.variable_value(text)))


def _set(user: str, when: str, cmd: str, commented: bool, comment: str | None, identifier: str | None) -> str:
    before = crontab.job_of(text_of(user), cmd.strip(), identifier)
    when = cron_fields.settled(when, before.when if before else None, f"{user}\0{identifier or cmd}")
    job = cron_fields.job(cmd, when, identifier, comment, commented)
    changed = _edit(user, lambda text: crontab.with_job(text, job, keep_comment=comment is None))
    return "present" if not changed else "updated" if before else "new"


def _edit(user: str, change: Callable[[str], str]) -> bool:
    """Have CHANGE make a new crontab of the old one. Whether it is another."""
    with _editing:
        before = text_of(user)
        after = change(before)
        if after == before:
            return False
        _write(user, after.encode("utf-8", "surrogateescape"))
    return True


def _write(user: str, data: bytes) -> None:
    """Make DATA the crontab of USER, from a file: what comes through a pipe that breaks would be taken for all."""
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="saltern-crontab-") as file:  # 0600
        file.write(data)
        file.flush()
        _install(user, file.name)


def _install(user: str, path: str) -> None:
    ran = run([*_command(user), path], timeout_s=LIMIT_S, env={"LC_ALL": "C"})
    if ran.timed_out:
        raise CronError(f"crontab {ran.late}")
    if ran.code != 0:
        said = (ran.err.strip() or ran.out.strip()).replace(path, "crontab")
        raise CronError(f"crontab refused the new crontab of {user}, and the old one stays: {said}")


def _command(user: str) -> list[str]:
    """The first words of crontab(1) for USER. NoCrontab where one of both is missing."""
    import pwd

    if not _USER.fullmatch(user):
        raise CronError(f"not the name of a user: {user!r}")
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        raise NoCrontab(f"there is no user {user!r}") from None
    program = which("crontab")
    if program is None:
        raise NoCrontab("there is no program `crontab` on this node: install cron first (`pkg.installed: cron`)")
    return [program] if uid == os.geteuid() != 0 else [program, "-u", user]


def _as_dict(job: Job) -> dict[str, Any]:
    times = {"spec": job.when} if job.when.startswith("@") else dict(zip(FIELDS, job.when.split(" "), strict=True))
    return {
        **times,
        "cmd": job.cmd,
        "identifier": job.identifier,
        "comment": job.comment or None,
        "commented": job.commented,
    }
