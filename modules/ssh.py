"""Keys by which users may log in: their authorized_keys files (sshd(8))."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from typing import Any

from modules import _authorized_keys, file
from modules._authorized_keys import Key
from modules._file import system_text
from saltern.errors import PermanentError
from saltern.marks import acting, reading

CONFIG = ".ssh/authorized_keys"


class NoSuchUser(PermanentError):
    """There is no such user."""


@reading
def auth_keys(user: str, config: str = CONFIG) -> dict[str, dict[str, Any]]:
    """The keys of USER in its file CONFIG: {base64 text: {"enc", "comment", "options"}}."""
    return {
        key.key: {"enc": key.kind, "comment": key.comment, "options": list(key.options)}
        for key in keys_of(user, config)
    }


@reading
def check_key(
    user: str, key: str, enc: str = "ssh-rsa", comment: str = "", options: Sequence[str] = (), config: str = CONFIG
) -> str:
    """ "exists" where USER has the KEY just so, "update" where with another comment or options, "add" where not."""
    wanted = _authorized_keys.given(key, enc, comment, options)
    found = next((have for have in keys_of(user, config) if have.key == wanted.key), None)
    return "add" if found is None else "exists" if found == wanted else "update"


@acting
def set_auth_key(
    user: str, key: str, enc: str = "ssh-rsa", comment: str = "", options: Sequence[str] = (), config: str = CONFIG
) -> str:
    """Let who has the KEY (a whole line, or its base64 text) log in as USER. What `check_key` said before."""
    said = check_key(user, key, enc, comment, options, config)
    _write(
        user, config, _authorized_keys.with_key(_text(user, config), _authorized_keys.given(key, enc, comment, options))
    )
    return {"exists": "no change", "update": "replace", "add": "new"}[said]


@acting
def rm_auth_key(user: str, key: str, config: str = CONFIG) -> str:
    """Take the KEY (a whole line, or its base64 text) from USER."""
    found = _authorized_keys.parsed(key)
    wanted = key.strip() if found is None else found.key
    if all(have.key != wanted for have in keys_of(user, config)):
        return "Key not present"
    _write(user, config, _authorized_keys.without_keys(_text(user, config), [wanted]))
    return "Key removed"


def keys_of(user: str, config: str = CONFIG) -> list[Key]:
    """The keys of USER in its file CONFIG."""
    return list(_authorized_keys.keys(_text(user, config)))


def place(user: str, config: str) -> str:
    """The path of the file CONFIG of USER: below its home, with %h, %u and %% as in sshd_config(5). NoSuchUser."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise NoSuchUser(f"there is no user {user!r}") from None
    parts = [part.replace("%h", found.pw_dir).replace("%u", user) for part in config.split("%%")]
    return os.path.join(found.pw_dir, "%".join(parts))


def _text(user: str, config: str) -> str:
    return system_text.text_of(place(user, config))


def _write(user: str, config: str, text: str) -> None:
    path, found = place(user, config), pwd.getpwnam(user)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        file.mkdir(folder, user=found.pw_uid, group=found.pw_gid, mode="0700")
    system_text.put_text(path, text, user=found.pw_uid, group=found.pw_gid, mode="0600")
