"""Crontabs as text: each line that is not managed stays, and what Salt wrote is understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._cron import crontab
from modules._cron import fields as cron_fields
from modules._cron.crontab import MARK, Env, Job
from modules._cron.fields import FIELDS, BadCron

SALTS = f"""# m h dom mon dow command
0 4 * * * /usr/bin/by-hand
{MARK}
MAILTO=root
# nightly
# in two lines {crontab.IDENTIFIER}:backup
0 3 * * 1-5 /usr/bin/backup --all  now
# SALT_CRON_IDENTIFIER:NO ID SET
#DISABLED#*/5 * * * * /usr/bin/old=1
# {crontab.IDENTIFIER}:boot up
@reboot /usr/bin/boot
"""

LINE = st.one_of(
    st.just(MARK),
    st.sampled_from(SALTS.splitlines()),
    st.text(st.characters(exclude_characters="\n"), max_size=30),
    st.text(st.sampled_from("#@*/=5 \ta:"), max_size=20),
)
TEXT = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINE, max_size=12), st.sampled_from(["", "\n"]))
JOBS = st.builds(
    Job,
    st.sampled_from(["* * * * *", "5 4 1 jan 0", "@daily"]),
    st.sampled_from(["run", "a=b run 100%", "# odd"]),
    st.sampled_from([None, "one", "two words"]),
    st.sampled_from(["", "why", "two\nlines", "#DISABLED#x"]),
    st.booleans(),
)


@given(TEXT)
def test_the_parts_of_a_crontab_are_its_text(text: str) -> None:
    assert crontab.render(crontab.parse(text)) == text


@given(TEXT, JOBS)
def test_a_job_that_was_set_is_there_once_and_setting_it_again_changes_nothing(text: str, job: Job) -> None:
    job = cron_fields.job(job.cmd, job.when, job.identifier, job.comment, job.commented)
    others = [other for other in crontab.jobs(text) if not other.is_of(job.cmd, job.identifier)]
    after = crontab.with_job(text, job)
    assert [found for found in crontab.jobs(after) if found.is_of(job.cmd, job.identifier)] == [job]
    assert [found for found in crontab.jobs(after) if found != job] == others
    assert crontab.with_job(after, job) == after
    assert crontab.variables(after) == crontab.variables(text)


@given(TEXT, JOBS)
def test_no_line_of_others_goes_or_changes_when_a_job_comes_and_goes(text: str, job: Job) -> None:
    base = crontab.without_job(text, job.cmd, job.identifier)
    gone = crontab.without_job(crontab.with_job(base, job), job.cmd, job.identifier)
    assert [line for line in gone.split("\n") if line not in ("", MARK)] == [
        line for line in base.split("\n") if line not in ("", MARK)
    ]


@given(TEXT, st.sampled_from(["A", "MAILTO"]), st.sampled_from(["", "x", " y ", '"q"', "'"]))
def test_a_variable_that_was_set_is_there_once_and_can_be_taken_away(text: str, name: str, value: str) -> None:
    wanted = Env(name, crontab.env_text(value))
    after = crontab.with_env(text, wanted)
    assert [env for env in crontab.variables(after) if env.name == name] == [wanted]
    assert crontab.with_env(after, wanted) == after
    assert [job.cmd for job in crontab.jobs(after)] == [job.cmd for job in crontab.jobs(text)]
    assert all(env.name != name for env in crontab.variables(crontab.without_env(after, name)))


def test_what_salt_wrote_is_understood() -> None:
    assert crontab.jobs(SALTS) == (
        Job("0 3 * * 1-5", "/usr/bin/backup --all  now", "backup", "nightly\nin two lines"),
        Job("*/5 * * * *", "/usr/bin/old=1", None, "", commented=True),
        Job("@reboot", "/usr/bin/boot", "boot up"),
    )
    assert crontab.variables(SALTS) == (Env("MAILTO", "root"),)


def test_only_the_lines_of_a_job_change_with_it() -> None:
    job = Job("30 3 * * *", "/usr/bin/backup", "backup", "nightly\nin two lines")
    old = "0 3 * * 1-5 /usr/bin/backup --all  now\n"
    assert crontab.with_job(SALTS, job) == SALTS.replace(old, "30 3 * * * /usr/bin/backup\n")
    assert crontab.with_job(SALTS, Job("@daily", "/usr/bin/backup", "backup"), keep_comment=True) == SALTS.replace(
        old, "@daily /usr/bin/backup\n"
    )


def test_a_job_without_an_identifier_is_known_by_its_command() -> None:
    after = crontab.with_job(SALTS, Job("* * * * *", "/usr/bin/old=1", "mine"))
    assert after.endswith(
        f"# {crontab.IDENTIFIER}:mine\n* * * * * /usr/bin/old=1\n"
        + SALTS.splitlines(True)[-2]
        + SALTS.splitlines(True)[-1]
    )
    assert crontab.without_job(SALTS, "/usr/bin/backup --all  now", None) == SALTS
    assert crontab.without_job(SALTS, "/usr/bin/by-hand", None) == SALTS


def test_the_first_job_brings_the_mark_and_the_last_takes_it_along() -> None:
    job = Job("@daily", "x", "x")
    assert crontab.with_job("", job) == f"{MARK}\n# {crontab.IDENTIFIER}:x\n@daily x\n"
    assert crontab.without_job(crontab.with_job("# mine\n", job), "x", "x") == "# mine\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minute", 61),
        ("minute", "5/10"),
        ("minute", "20-10"),
        ("minute", "*/0"),
        ("minute", "1,,2"),
        ("minute", ""),
        ("minute", "* * * * * rm"),
        ("minute", "٣"),
        ("hour", 24),
        ("daymonth", 0),
        ("month", "january"),
        ("month", 13),
        ("dayweek", 8),
        ("dayweek", "fri-sun"),
    ],
)
def test_a_field_that_cron_does_not_take_is_refused(name: str, value: str | int) -> None:
    with pytest.raises(BadCron) as refused:
        cron_fields.when({name: value}, None)
    assert refused.value.argument == name


def test_fields_that_cron_takes_are_written_as_they_were_given() -> None:
    times: dict[str, str | int] = {
        "minute": "*/5,7",
        "hour": 4,
        "daymonth": "1-15/2",
        "month": "Jan,mar-may",
        "dayweek": "mon-7",
    }
    with pytest.raises(BadCron, match="8 is not one of 0 to 7"):
        cron_fields.when({**times, "dayweek": "mon-8"}, None)
    assert cron_fields.when(times, None) == "*/5,7 4 1-15/2 Jan,mar-may mon-7"


def test_a_special_word_stands_alone_and_is_one_that_cron_knows() -> None:
    assert cron_fields.when({"minute": "*"}, "@daily") == "@daily"
    with pytest.raises(BadCron, match="Did you mean '@daily'"):
        cron_fields.when({}, "@dayly")
    with pytest.raises(BadCron, match="leave `hour` out"):
        cron_fields.when({"hour": 3}, "@daily")


@given(st.text(), st.sampled_from(list(FIELDS)))
def test_a_random_number_is_in_its_field_and_stays(seed: str, name: str) -> None:
    first = cron_fields.drawn(name, seed)
    assert cron_fields.field(name, first) == first == cron_fields.drawn(name, seed)


def test_a_random_number_that_is_there_stays() -> None:
    assert cron_fields.settled("random 4 * * *", "17 * * * *", "x") == "17 4 * * *"
    assert cron_fields.settled("random 4 * * *", "* * * * *", "x").split(" ")[0].isdigit()
    assert cron_fields.settled("@daily", "17 * * * *", "x") == "@daily"


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"cmd": "a\nb"}, "name"),
        ({"cmd": "  "}, "name"),
        ({"cmd": "x" * 999}, "name"),
        ({"cmd": "a", "identifier": "b\nc"}, "identifier"),
        ({"cmd": "a", "identifier": ""}, "identifier"),
        ({"cmd": "a", "comment": f"b {crontab.IDENTIFIER}:c"}, "comment"),
        ({"cmd": "a", "comment": "b\x1b[2J"}, "comment"),
    ],
)
def test_what_would_break_a_line_of_a_crontab_is_refused(arguments: dict[str, str], argument: str) -> None:
    with pytest.raises(BadCron) as refused:
        cron_fields.job(arguments["cmd"], "@daily", arguments.get("identifier"), arguments.get("comment"))
    assert refused.value.argument == argument
