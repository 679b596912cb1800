"""The option `returners`: what makes no sense ends the start, and no error shows what may be a password."""

from __future__ import annotations

from typing import Any

import pytest

from master.returners.configured import returners_of
from saltern.errors import ConfigError

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PASSWORD, "wants a mapping"),
        ({}, "wants `path: FILE`"),
        ({"path": "relative"}, "begins at the root"),
        ({"url": f"file:///etc/{PASSWORD}"}, "http or https"),
        ({"url": f"ftp://u:{PASSWORD}@a"}, "http or https"),
        ({"url": "https://a", "timeout": 0}, "up to 60"),
        ({"url": "https://a", "header": {"X": PASSWORD}}, "no option 'header'. Did you mean 'headers'?"),
        ({"url": "https://a", "headers": {"X": [PASSWORD]}}, "mapping of texts"),
        ({"path": "/x", "functions": "*"}, "list of globs"),
        ({"postgres": f"postgresql://u:{PASSWORD}@h/d"}, "Did you mean 'postgresql'?"),
        ({"postgresql": f"host=h pasword={PASSWORD}"}, "connection string"),
        ({"postgresql": {"password": PASSWORD}}, "connection string"),
        ({"postgresql": "host=h", "table": "a; DROP TABLE b"}, "`table` is a name"),
        ({"postgresql": "host=h", "password": [PASSWORD]}, "`password` is a text"),
        ({"redis": f"http://:{PASSWORD}@h"}, "`redis` is a URL"),
        ({"redis": "redis://h", "keep": -1}, "`keep` is a number of seconds"),
    ],
)
def test_a_returner_that_makes_no_sense_ends_the_start(given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=r"returners: 'x'") as raised:
        returners_of({"x": given})
    assert said in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_the_password_of_a_connection_string_is_masked_in_what_is_told() -> None:
    for given in (
        {"postgresql": f"postgresql://u:{PASSWORD}@h/d"},
        {"postgresql": "host=h", "password": PASSWORD},
        {"redis": f"redis://:{PASSWORD}@h/0"},
        {"url": "https://a", "headers": {"Authorization": PASSWORD}},
    ):
        [returner] = returners_of({"x": given}).all
        returner._failed(OSError(f"no: {PASSWORD}"))
        assert returner.counts()["problem"] == "no: **********"


def test_a_returner_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.returners.configured.find_spec", lambda name: None)
    for kind, extra in (("postgresql", "postgresql"), ("redis", "redis")):
        with pytest.raises(ConfigError, match=rf"install saltern\[{extra}\] on the master"):
            returners_of({"x": {kind: "host=h"}})
