"""Jobs and variables in the crontabs of users (crontab(5)).

A job is known by its identifier, and that is the state's name unless `identifier` says another; so a job whose times
or command change is changed, not doubled. A crontab that Salt wrote is taken over. What stands above Salt's mark in a
crontab is not managed and stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modules import cron
from modules._cron import crontab
from modules._cron import fields as cron_fields
from modules._cron.crontab import Job
from modules._cron.fields import FIELDS, BadCron
from modules._file.contents import Contents
from modules.cron import NoCrontab
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from saltern.secret import Secret
from states._cron_piece import Crontab, Piece
from states._file import managed as _managed
from states._file.contents import HOLDS_A_SECRET, Checked
from states._file.shared import FileStateError, environment, unknown

Identifier = str | bool | None


@state
def present(
    ctx: Context,
    name: str,
    *,
    user: str = "root",
    minute: str | int = "*",
    hour: str | int = "*",
    daymonth: str | int = "*",
    month: str | int = "*",
    dayweek: str | int = "*",
    comment: str | None = None,
    commented: bool = False,
    identifier: Identifier = False,
    special: str | None = None,
) -> Plan:
    """The command NAME runs for USER at these times.

    minute, hour, daymonth, month, dayweek: as in crontab(5), or `random`: a number that stays the same.
    special: `@daily` and its like, instead.
    comment: lines above the job; those that are there stay where none are given. commented: the job is kept, and does
    not run. identifier: by which the job is found again, also with another command; default: NAME; None: its command.
    """
    cmd, key = name.strip(), _key(name, identifier)
    times = {"minute": minute, "hour": hour, "daymonth": daymonth, "month": month, "dayweek": dayweek}
    wanted = cron_fields.when(times, special)
    try:
        text = cron.text_of(user)
    except NoCrontab as error:
        return unknown(str(error))
    have = crontab.job_of(text, cmd, key)
    when = cron_fields.settled(wanted, have.when if have else None, f"{ctx.id}\0{user}\0{key or cmd}")
    job = cron_fields.job(cmd, when, key, comment, commented)
    after = crontab.with_job(text, job, keep_comment=comment is None)
    current, wish = _held(text, cmd, key), _held(after, cmd, key)
    if current == wish:
        return Plan(current, wish, comment=f"Cron {name} already present")
    if special is None:
        do = call(cron.set_job, user, *when.split(" "), cmd, commented, comment, key)
    else:
        do = call(cron.set_special, user, special, cmd, commented, comment, key)
    words = f"{'add the job' if have is None else 'change the job'} {cmd!r} of {user}"
    return Plan(current, wish, [Step(words, str(current.crontab), str(wish.crontab), do=do)])


@state
def absent(
    ctx: Context,
    name: str,
    *,
    user: str = "root",
    identifier: Identifier = False,
    special: str | None = None,
    minute: Any = None,
    hour: Any = None,
    daymonth: Any = None,
    month: Any = None,
    dayweek: Any = None,
    comment: Any = None,
    commented: Any = None,
) -> Plan:
    """USER has no job with IDENTIFIER (default: NAME), and none without an identifier whose command is NAME.

    The others are taken so that a `cron.present` can be turned into this: they make no difference.
    """
    cmd, key = name.strip(), _key(name, identifier)
    try:
        text = cron.text_of(user)
    except NoCrontab:
        return Plan(None, None, comment=f"Cron {name} already absent")
    after = crontab.without_job(text, cmd, key)
    current, wish = _held(text, cmd, key), _held(after, cmd, key)
    if current == wish:
        return Plan(current, wish, comment=f"Cron {name} already absent")
    do = call(cron.rm_job, user, cmd, identifier=key)
    return Plan(
        current, wish, [Step(f"remove the job {cmd!r} of {user}", str(current.crontab), str(wish.crontab), do=do)]
    )


@state
def env_present(ctx: Context, name: str, *, value: str | Secret | None = None, user: str = "root") -> Plan:
    """The jobs of USER have the variable NAME with this VALUE; without one it is empty."""
    wanted = cron.variable(name, value)
    try:
        text = cron.text_of(user)
    except NoCrontab as error:
        return unknown(str(error))
    hidden = HOLDS_A_SECRET if isinstance(value, Secret) else None
    current = _variable(text, name, hidden)
    wish = _variable(crontab.with_env(text, wanted), name, hidden)
    if current == wish:
        return Plan(current, wish, comment=f"Cron env {name} already present")
    sentence = f"set the variable {name} of the jobs of {user}"
    do = call(cron.set_env, user, name, value)
    return Plan(current, wish, [Step(sentence, str(current.crontab), str(wish.crontab), do=do)])


@state
def env_absent(ctx: Context, name: str, *, user: str = "root") -> Plan:
    """The jobs of USER do not have the variable NAME. Its value, which may be a secret, is not shown."""
    try:
        text = cron.text_of(user)
    except NoCrontab:
        return Plan(None, None, comment=f"Cron env {name} already absent")
    text = crontab.with_masked(text, name)
    current, wish = _variable(text, name, None), _variable(crontab.without_env(text, name), name, None)
    if current == wish:
        return Plan(current, wish, comment=f"Cron env {name} already absent")
    sentence = f"remove the variable {name} of the jobs of {user}"
    return Plan(current, wish, [Step(sentence, str(current.crontab), "", do=call(cron.rm_env, user, name))])


@dataclass(frozen=True, slots=True)
class Whole:
    """A crontab as a whole."""

    contents: Contents | Unset = UNSET


@state
def file(
    ctx: Context,
    name: str,
    *,
    source: str | Sequence[Any] | None = None,
    source_hash: str = "",
    source_hash_name: str = "",
    skip_verify: bool = False,
    contents: Any = None,
    contents_pillar: str | None = None,
    user: str = "root",
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    replace: bool = True,
    backup: str | None = None,
    show_changes: bool = True,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """The whole crontab of USER is what SOURCE (default: NAME) or CONTENTS holds.

    source, contents, template and their kin: as `file.managed`. replace: False leaves a crontab that is there.
    backup is taken for Salt's sake, and keeps nothing.
    """
    sourced = _managed.Sourced(
        source=source or (name if contents is None and contents_pillar is None else None),
        checked=Checked(source_hash, source_hash_name, skip_verify),
        contents=contents,
        contents_pillar=contents_pillar,
        template=template,
        variables={**(defaults or {}), **(context or {})} if defaults or context else None,
        saltenv=environment(ctx, saltenv),
        show_changes=show_changes,
        given={"user": user},
    )
    try:
        text = cron.text_of(user)
    except NoCrontab as error:
        return unknown(str(error))
    have = Contents(text.encode("utf-8", "surrogateescape"))
    if text and not replace:
        return Plan(Whole(have), Whole(), comment=f"{user} has a crontab, and `replace: False` leaves it")
    place = f"the crontab of {user}"
    wish = _managed.wished_contents(ctx, place, sourced, _managed.origin_of(ctx, sourced), None)[1]
    if isinstance(wish, Unset):
        raise FileStateError(f"there is nothing to be {place}: name `source` or `contents`")
    have.hidden = wish.hidden
    if have == wish:
        return Plan(Whole(have), Whole(wish), comment=f"The crontab of {user} is in the correct state")
    return Plan(Whole(have), Whole(wish), [Step(f"write {place}", have, wish, do=call(cron.put, user, wish))])


@check(of=present)
def _check_present(name: str, **arguments: Any) -> None:
    when = cron_fields.when(
        {field: arguments[field] for field in FIELDS if field in arguments}, arguments.get("special")
    )
    cron_fields.job(name.strip(), when, _key(name, arguments.get("identifier", False)), arguments.get("comment"))


@check(of=env_present)
def _check_env(name: str, **arguments: Any) -> None:
    cron.variable(name, arguments.get("value"))


def _key(name: str, identifier: Identifier) -> str | None:
    """The identifier of the job NAME. BadCron for `identifier: true`."""
    if identifier is True:
        raise BadCron("identifier: write a text, or leave it out: then it is the name", "identifier")
    return name.strip() if identifier is False else identifier


def _held(text: str, cmd: str, key: str | None) -> Crontab:
    """What the crontab TEXT has of the job."""
    return _piece(text, lambda value: isinstance(value, Job) and value.is_of(cmd, key))


def _variable(text: str, name: str, hidden: str | None) -> Crontab:
    """What the crontab TEXT has of the variable NAME."""
    return _piece(text, lambda value: isinstance(value, crontab.Env) and value.name == name, hidden)


def _piece(text: str, wanted: Callable[[Any], bool], hidden: str | None = None) -> Crontab:
    own = "".join(line for part in crontab.parse(text) if wanted(part.value) for line in part.lines)
    return Crontab(Piece(own, text, hidden))
