"""What a minion runs by itself when it has started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minion.startup import startup_job
from saltern.config import Config, load_minion
from saltern.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "job"),
    [
        ({}, None),
        ({"startup_states": "highstate"}, ("state.highstate", [])),
        ({"startup_states": "sls", "sls_list": ["a", "b"]}, ("state.sls", [["a", "b"]])),
        ({"startup_states": "sls"}, None),
        ({"startup_states": "top", "top_file": "boot.sls"}, ("state.top", ["boot.sls"])),
        ({"startup_states": "top"}, None),
    ],
)
def test_the_options_name_the_job(options: dict[str, Any], job: tuple[str, list[Any]] | None) -> None:
    assert startup_job(Config(**options)) == job


@pytest.mark.parametrize("text", ["startup_states: highstat\n", "startup_states: [sls]\n", "sls_list: web\n"])
def test_a_value_that_is_none_of_them_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "minion").write_text(text)
    with pytest.raises(ConfigError, match="minion:1: option s"):
        load_minion(directory=tmp_path)
