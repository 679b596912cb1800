"""Keys of users: lines that are added, changed and taken away, and those of others that stay."""

from __future__ import annotations

import base64
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import _authorized_keys, ssh
from modules._authorized_keys import Key
from saltern.errors import SalternError
from states import ssh_auth
from tests.plans import context, converge


def made(kind: str, number: int) -> str:
    name = kind.encode()
    return base64.b64encode(len(name).to_bytes(4, "big") + name + bytes([number]) * 30).decode()


ONE, TWO = made("ssh-ed25519", 1), made("ssh-rsa", 2)
ME = pwd.getpwuid(os.getuid()).pw_name
OTHERS = f'# admins\nfrom="10.0.0.0/8,::1",no-pty ssh-rsa {TWO} ann on laptop\nno key\n'


@pytest.mark.parametrize(
    ("state", "name", "arguments", "text"),
    [
        (ssh_auth.present, f"ssh-ed25519 {ONE} bob", {}, f"{OTHERS}ssh-ed25519 {ONE} bob\n"),
        (
            ssh_auth.present,
            ONE,
            {"enc": "ed25519", "comment": "bob", "options": ["no-pty"]},
            f"{OTHERS}no-pty ssh-ed25519 {ONE} bob\n",
        ),
        (ssh_auth.present, TWO, {"comment": "ann"}, f"# admins\nssh-rsa {TWO} ann\nno key\n"),
        (ssh_auth.present, f'from="10.0.0.0/8,::1",no-pty ssh-rsa {TWO} ann on laptop', {}, OTHERS),
        (ssh_auth.absent, TWO, {}, "# admins\nno key\n"),
        (ssh_auth.absent, f"ssh-ed25519 {ONE}", {}, OTHERS),
        (ssh_auth.manage, "all", {"ssh_keys": [f"ssh-ed25519 {ONE} b"]}, f"# admins\nno key\nssh-ed25519 {ONE} b\n"),
        (ssh_auth.present, "from a file", {"source": "salt://keys"}, f"{OTHERS}ssh-ed25519 {ONE} eve\n"),
    ],
)
def test_a_key_has_its_line_and_the_others_stay(
    tmp_path: Path, state: Any, name: str, arguments: dict[str, Any], text: str
) -> None:
    ctx, file = context(tmp_path), tmp_path / "keys"
    (tmp_path / "tree/keys").write_text(f"# eve's\n\nssh-ed25519 {ONE} eve\n")
    file.write_text(OTHERS)
    converge(state, ctx, name, user=ME, config=str(file), **arguments)
    assert file.read_text() == text


def test_the_folder_and_file_are_the_users_alone(tmp_path: Path) -> None:
    file = tmp_path / ME / ".ssh/authorized_keys"
    converge(
        ssh_auth.present, context(tmp_path), f"ssh-ed25519 {ONE}", user=ME, config=f"{tmp_path}/%u/.ssh/{file.name}"
    )
    assert (file.stat().st_mode & 0o7777, file.parent.stat().st_mode & 0o7777) == (0o600, 0o700)
    assert ssh.auth_keys(ME, str(file)) == {ONE: {"enc": "ssh-ed25519", "comment": "", "options": []}}
    assert ssh.check_key(ME, ONE, "ed25519", config=str(file)) == "exists"
    assert ssh.check_key(ME, ONE, "ed25519", "new", config=str(file)) == "update"


@pytest.mark.parametrize(
    ("name", "enc", "message"),
    [
        ("ssh-ed25519 AAAA", "rsa", "not of the kind"),
        ("@@@", "rsa", "no base64"),
        (ONE, "rsa", "not of the kind ssh-rsa"),
        (ONE, "ed2551", "Did you mean"),
        ("hello world", "rsa", "not a public key"),
        (f"{ONE}\nssh-rsa {TWO}", "rsa", "one line"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, name: str, enc: str, message: str) -> None:
    with pytest.raises(SalternError, match=message):
        ssh_auth.present(context(tmp_path), name, user=ME, enc=enc)


def test_a_user_who_is_not_there_is_unknown_yet_and_has_no_keys(tmp_path: Path) -> None:
    ctx, key = context(tmp_path), f"ssh-ed25519 {ONE}"
    assert "there is no user 'nix'" in str(ssh_auth.present(ctx, key, user="nix").unknown)
    assert not ssh_auth.absent(ctx, key, user="nix").steps


@given(
    st.sampled_from(_authorized_keys.KINDS),
    st.text(alphabet="ab @#-", max_size=20).map(str.strip),
    st.lists(st.sampled_from(["no-pty", 'from="a,b c"', 'command="x \\"y\\" z"']), max_size=3, unique=True),
)
def test_a_line_reads_back_as_it_was_written(kind: str, comment: str, options: list[str]) -> None:
    key = Key(kind, made(kind, 7), comment, tuple(options))
    assert _authorized_keys.parsed(key.line) == key
