"""Keys by which users may log in (authorized_keys)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modules import _authorized_keys, ssh
from modules._authorized_keys import BadKey, Key
from modules.ssh import CONFIG, NoSuchUser
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state
from states._file.contents import origin, template_text
from states._file.shared import unknown


@dataclass(frozen=True, slots=True)
class Keys:
    """The lines of keys, sorted."""

    lines: tuple[str, ...]


@state
def present(
    ctx: Context,
    name: str,
    *,
    user: str,
    enc: str = "ssh-rsa",
    comment: str = "",
    source: str | None = None,
    options: Sequence[str] = (),
    config: str = CONFIG,
) -> Plan:
    """Who has the key NAME may log in as USER.

    name: a whole line (`ssh-ed25519 AAAA… comment`), or its base64 text alone, with ENC, COMMENT and OPTIONS (a list,
    like `no-pty`) beside it. source: a file of such lines, `salt://…`, instead. config: the file, below the user's
    home; %h, %u and %% as sshd has them.
    """
    wanted = _wanted(ctx, name, source, enc, comment, options)
    try:
        have = ssh.keys_of(user, config)
    except NoSuchUser as error:
        return unknown(str(error))
    known = {key.key: key for key in have}
    steps = []
    for key in wanted:
        old = known.get(key.key)
        if old != key:
            before = None if old is None else old.line
            do = call(ssh.set_auth_key, user, key.line, config=config)
            steps.append(Step(f"{'add' if old is None else 'change'} {_named(key)} of {user}", before, key.line, do=do))
    current = [known[key.key].line for key in wanted if key.key in known]
    return Plan(_keys(current), _keys([key.line for key in wanted]), steps)


@state
def absent(
    ctx: Context,
    name: str,
    *,
    user: str,
    enc: str = "ssh-rsa",
    comment: str = "",
    source: str | None = None,
    options: Sequence[str] = (),
    config: str = CONFIG,
) -> Plan:
    """Who has the key NAME may not log in as USER. Arguments as `ssh_auth.present`."""
    unwanted = {key.key for key in _wanted(ctx, name, source, enc, comment, options)}
    return _gone(user, config, [key for key in _have(user, config) if key.key in unwanted])


@state
def manage(
    ctx: Context,
    name: str,
    *,
    user: str,
    ssh_keys: Sequence[str],
    enc: str = "ssh-rsa",
    comment: str = "",
    source: str | None = None,
    options: Sequence[str] = (),
    config: str = CONFIG,
) -> Plan:
    """Those who have SSH_KEYS, and nobody else, may log in as USER. Arguments as `ssh_auth.present`."""
    wanted = [_authorized_keys.given(text, enc, comment, options) for text in ssh_keys]
    if source is not None:
        wanted += _wanted(ctx, name, source, enc, comment, options)
    try:
        have = ssh.keys_of(user, config)
    except NoSuchUser as error:
        return unknown(str(error))
    names = {key.key for key in wanted}
    gone = [key for key in have if key.key not in names]
    steps = [*_gone(user, config, gone).steps]
    for key in wanted:
        if key not in have:
            steps.append(
                Step(
                    f"set {_named(key)} of {user}",
                    None,
                    key.line,
                    do=call(ssh.set_auth_key, user, key.line, config=config),
                )
            )
    return Plan(_keys([key.line for key in have]), _keys([key.line for key in wanted]), steps)


def _gone(user: str, config: str, gone: Sequence[Key]) -> Plan:
    steps = [
        Step(f"remove {_named(key)} of {user}", key.line, None, do=call(ssh.rm_auth_key, user, key.key, config=config))
        for key in gone
    ]
    return Plan(_keys([key.line for key in gone]), _keys([]), steps)


def _have(user: str, config: str) -> list[Key]:
    """The keys of USER; none where there is no such user."""
    try:
        return ssh.keys_of(user, config)
    except NoSuchUser:
        return []


def _wanted(ctx: Context, name: str, source: str | None, enc: str, comment: str, options: Sequence[str]) -> list[Key]:
    if source is None:
        return [_authorized_keys.given(name, enc, comment, options)]
    found = origin(ctx, source, ctx.saltenv)
    lines = [line for line in template_text(ctx, found).splitlines() if line.strip() and line.lstrip()[0] != "#"]
    if not lines:
        raise BadKey(f"there is no key in {source}")
    return [_authorized_keys.given(line, enc, comment, options) for line in lines]


def _keys(lines: Sequence[str]) -> Keys:
    return Keys(tuple(sorted(set(lines))))


def _named(key: Key) -> str:
    return f"the key {key.comment or key.key[-16:]}"
