"""Whom root takes on where a server refuses it."""

from __future__ import annotations

import os
import pwd
import stat

import pytest

from modules._file import identity
from modules._file.identity import NOBODY, IdentityError, Owner, chosen

UNKNOWN = 59869  # a user that no node has


def status(mode: int, uid: int = UNKNOWN, gid: int = 5000) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


FOLDER, FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o600
WRITE, READ = os.W_OK | os.X_OK, os.R_OK


@pytest.mark.parametrize(
    ("found", "need", "owner"),
    [
        (status(FOLDER), WRITE, Owner(UNKNOWN, 5000)),
        (status(FILE), READ, Owner(UNKNOWN, 5000)),
        (status(FOLDER, uid=0), WRITE, None),
        (status(FOLDER, gid=6), WRITE, Owner(UNKNOWN, NOBODY)),
        (status(FOLDER, gid=0), WRITE, Owner(UNKNOWN, NOBODY)),
        (status(stat.S_IFDIR | 0o1777), WRITE, Owner(UNKNOWN, 5000)),
        (status(stat.S_IFDIR | 0o777), READ, Owner(UNKNOWN, 5000)),
        (status(stat.S_IFREG | 0o666), os.R_OK | os.W_OK, Owner(UNKNOWN, 5000)),
    ],
)
def test_it_is_the_owner_and_no_group_of_the_system(found: os.stat_result, need: int, owner: Owner | None) -> None:
    assert chosen(found, need, "/store") == owner


def test_a_user_that_the_node_knows_has_the_group_that_it_has_there() -> None:
    daemon = pwd.getpwnam("daemon")
    assert chosen(status(FOLDER, daemon.pw_uid, gid=5000), WRITE, "/store") == Owner(daemon.pw_uid, daemon.pw_gid)


def test_nothing_is_made_where_everybody_may_exchange_it() -> None:
    with pytest.raises(IdentityError, match=r"/store is refused: everybody may .*\(mode 0777\).*chmod o-w or \+t"):
        chosen(status(stat.S_IFDIR | 0o777), WRITE, "/store")


def test_a_missing_path_and_a_local_one_take_nobody_on() -> None:
    with identity.reading("/nowhere/at/all"), identity.writing("/nowhere"), identity.within("/"):
        assert identity.current() is None
