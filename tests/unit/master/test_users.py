"""Who may command the master, by the configuration and the state of his account."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from master import users

DAY = 86400
NOBODY = pwd.getpwnam("nobody").pw_uid


def test_root_may_and_others_may_where_they_are_named() -> None:
    assert users.refusal(0, [], 0.0) == ""
    assert users.refusal(NOBODY, ["root", "nobody"], 0.0) == ""
    assert users.refusal(NOBODY, ["root", "no-such-user"], 0.0) == "nobody may not command this master"
    assert users.refusal(4_000_000, ["nobody"], 0.0) == "4000000 may not command this master"


@pytest.mark.parametrize(
    ("line", "now", "ended"),
    [
        ("nobody:!:1:0:99999:7::20000:", 20000 * DAY - 1, False),
        ("nobody:!:1:0:99999:7::20000:", 20000 * DAY, True),
        ("nobody:!:1:0:99999:7::20000:", 20000 * DAY + 1, True),
        ("nobody:*:1:0:99999:7:::", 1e10, False),
        ("nobody", 1e10, False),
        ("nobody2:!:1:0:99999:7::1:", 1e10, False),
    ],
)
def test_an_account_that_has_expired_may_no_longer(tmp_path: Path, line: str, now: float, ended: bool) -> None:
    shadow = tmp_path / "shadow"
    shadow.write_text(f"root:*:1:0:99999:7:::\n{line}\n")
    assert ("has expired" in users.refusal(NOBODY, ["nobody"], now, shadow)) is ended
    assert users.refusal(0, [], now, shadow) == ""


def test_without_the_file_of_accounts_the_configuration_counts(tmp_path: Path) -> None:
    assert users.refusal(NOBODY, ["nobody"], 1e10, tmp_path / "none") == ""
