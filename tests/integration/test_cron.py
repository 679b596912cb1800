"""Crontabs of a user of this machine, by crontab(1) and through the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import cron
from modules._cron import fields as cron_fields
from saltern.marks import permit_acting
from tests.integration.commands import Ran, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("useradd") is None, reason="needs root and useradd")

USER = f"salterncron{os.getpid()}"[:30]
MARK = "# Lines below here are managed by Salt, do not edit"
BY_HAND = b"# caf\xe9 of the team\n\n  7 4 1 1 *  /bin/true 100\\%  \t\nMAILTO=ann\n"
SALTS = f"""{MARK}
# nightly SALT_CRON_IDENTIFIER:backup
0 3 1 1 * /bin/backup
""".encode()


class Node:
    """The command with a tree of its own, and the crontab of a user made for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree = folder, folder / "tree"
        self.tree.mkdir()

    def call(self, *words: str) -> Ran:
        """`saltern-call --local WORDS`."""
        where = ("--file-root", str(self.tree), "--id", "web1", "--out", "json")
        return run("saltern-call", self.folder / "root", "--local", *where, *words)

    def apply(self, text: str, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """The results of a run of the SLS, in their order."""
        (self.tree / "jobs.sls").write_text(text.replace("USER", USER))
        ran = self.call("state.apply", "jobs", *words)
        assert ran.code == code, ran.text
        return list(ran.returns["local"].values())

    @property
    def crontab(self) -> bytes:
        """The crontab, byte for byte."""
        return subprocess.run(["crontab", "-u", USER, "-l"], capture_output=True, check=False).stdout

    @crontab.setter
    def crontab(self, text: bytes) -> None:
        subprocess.run(["crontab", "-u", USER, "-"], input=text, check=True)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    subprocess.run(["useradd", "--no-create-home", "--shell", "/usr/sbin/nologin", USER], check=True)
    yield Node(tmp_path)
    subprocess.run(["crontab", "-u", USER, "-r"], capture_output=True, check=False)
    subprocess.run(["userdel", USER], capture_output=True, check=False)


JOBS = """
/bin/backup --all:
  cron.present:
    - user: USER
    - identifier: backup
    - minute: random
    - hour: 3
    - daymonth: 1
    - month: jan
/bin/boot:
  cron.present:
    - user: USER
    - special: '@yearly'
    - commented: true
    - comment: |
        made by
        the team
PATH:
  cron.env_present:
    - user: USER
    - value: /usr/bin:/bin
"""


def test_jobs_and_variables_come_once_change_in_place_and_go(node: Node) -> None:
    node.crontab = BY_HAND + SALTS
    previewed = node.apply(JOBS, "test=True")
    assert [result["result"] for result in previewed] == [None] * 3
    assert "-0 3 1 1 * /bin/backup" in previewed[0]["changes"]["diff"]
    assert "caf" not in previewed[0]["changes"]["diff"]
    assert node.crontab == BY_HAND + SALTS
    done = node.apply(JOBS)
    assert [result["changes"] for result in done[:1]] == [previewed[0]["changes"]]
    text = node.crontab
    number = text.split(b"backup\n")[1].split()[0].decode()
    assert cron_fields.field("minute", number) == number
    assert (
        text
        == BY_HAND
        + (
            f"{MARK}\nPATH=/usr/bin:/bin\n# nightly SALT_CRON_IDENTIFIER:backup\n{number} 3 1 jan * /bin/backup --all\n"
            "# made by\n# the team SALT_CRON_IDENTIFIER:/bin/boot\n#DISABLED#@yearly /bin/boot\n"
        ).encode()
    )
    assert all(not result["changes"] for result in node.apply(JOBS))
    assert node.crontab == text
    gone = JOBS.replace("cron.present", "cron.absent").replace("env_present", "env_absent")
    node.apply(gone.replace("    - value: /usr/bin:/bin\n", ""))
    assert node.crontab == BY_HAND


def test_a_whole_crontab_is_written_as_its_source_says_or_not_at_all(node: Node) -> None:
    node.crontab = b"# by hand\n"
    (node.tree / "tab").write_text("# {{ user }}\n@yearly {{ what }}\n")
    whole = """
salt://tab:
  cron.file:
    - user: USER
    - template: jinja
    - context: {what: /bin/true}
"""
    assert "+@yearly /bin/true" in node.apply(whole)[0]["changes"]["diff"]
    assert node.crontab == f"# {USER}\n@yearly /bin/true\n".encode()
    bad = "x:\n  cron.file:\n    - user: USER\n    - contents: '61 * * * * /bin/true'\n"
    assert "bad minute" in node.apply(bad, code=1)[0]["comment"]
    assert node.crontab == f"# {USER}\n@yearly /bin/true\n".encode()


def test_what_is_wrong_with_a_job_is_told_at_its_place_before_anything_runs(node: Node) -> None:
    (node.tree / "jobs.sls").write_text(
        f"first:\n  cron.present:\n    - user: {USER}\n/bin/x:\n  cron.present:\n    - user: {USER}\n    - minute: 61\n"
    )
    ran = node.call("state.apply", "jobs")
    assert ran.code != 0
    assert "jobs.sls:7" in ran.text
    assert "minute: '61' is not what cron takes: 61 is not one of 0 to 59" in ran.text
    assert node.crontab == b""
    unknown = node.apply("/bin/x:\n  cron.present:\n    - user: nobodyatall\n", code=1)
    assert "there is no user 'nobodyatall'" in unknown[0]["comment"]


def test_a_value_that_is_a_secret_is_never_shown(node: Node) -> None:
    sls = """#!py
from saltern.secret import Secret

def run():
    return {"TOKEN": {"cron.env_present": [{"user": "USER"}, {"value": Secret("hunter2hunter2")}]}}
"""
    for words in (["test=True"], []):
        assert "hunter2" not in json.dumps(node.apply(sls, *words))
    assert b"TOKEN=hunter2hunter2\n" in node.crontab
    shown = node.apply("/bin/x:\n  cron.present:\n    - user: USER\n    - special: '@yearly'\n")
    assert "hunter2" not in json.dumps(shown)
    gone = node.apply("TOKEN:\n  cron.env_absent:\n    - user: USER\n")
    assert gone[0]["changes"]["diff"].splitlines()[-1] == "-TOKEN=…"
    assert b"TOKEN" not in node.crontab


def test_jobs_that_come_in_parallel_lose_none(node: Node) -> None:
    job = "/bin/{0}:\n  cron.present:\n    - user: USER\n    - special: '@yearly'\n    - parallel: true\n"
    done = node.apply("".join(job.format(number) for number in range(6)))
    assert all(result["result"] for result in done)
    assert node.crontab.count(b"@yearly /bin/") == 6


def test_without_crontab_one_error_says_what_to_install(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    results = node.apply("/bin/x:\n  cron.present:\n    - user: USER\n", code=1)
    assert "there is no program `crontab` on this node: install cron first" in results[0]["comment"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("minute", "*/5,7"), ("minute", "5/10"), ("month", "Jan,mar-may"), ("month", "january"), ("dayweek", "mon-7")],
)
def test_cron_itself_takes_what_is_taken_here(node: Node, name: str, value: str) -> None:
    fields = " ".join(value if field == name else "1" for field in cron_fields.FIELDS)
    taken = subprocess.run(["crontab", "-u", USER, "-"], input=f"{fields} x\n".encode(), capture_output=True)
    try:
        cron_fields.field(name, value)
    except cron_fields.BadCron:
        assert taken.returncode != 0
    else:
        assert taken.returncode == 0


def test_functions_tell_and_change_what_a_crontab_holds(node: Node) -> None:
    node.crontab = BY_HAND + SALTS
    jobs = node.call("cron.list_tab", USER).returns["local"]
    assert jobs["crons"][0]["identifier"] == "backup"
    assert jobs["pre"][0] == "# caf\ufffd of the team"
    told = {"minute": "0", "hour": "3", "daymonth": "1", "month": "1", "dayweek": "*", "cmd": "/bin/backup"}
    assert cron.get_entry(USER, "backup") == {
        **told,
        "identifier": "backup",
        "comment": "nightly",
        "commented": False,
    }
    with permit_acting():
        assert [cron.set_job(USER, 5, "*", "*", "*", 1, "/bin/x") for _ in range(2)] == ["new", "present"]
        assert cron.set_special(USER, "@daily", "/bin/x") == "updated"
        assert [cron.rm_special(USER, "/bin/x", word) for word in ("@hourly", "@daily")] == ["absent", "removed"]
        assert [cron.rm_job(USER, "/bin/backup", dayweek=day, identifier="backup") for day in (1, "*")] == [
            "absent",
            "removed",
        ]
        node.crontab = BY_HAND + SALTS
        assert [cron.set_env(USER, "A", value) for value in ("b", "b", "c")] == ["new", "present", "updated"]
        assert [cron.rm_env(USER, "A") for _ in range(2)] == ["removed", "absent"]
    assert node.crontab == BY_HAND + SALTS
