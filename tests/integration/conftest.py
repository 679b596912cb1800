"""A master of its own for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system import System, system


@pytest.fixture
def master(tmp_path: Path) -> Iterator[System]:
    """A running master without minions."""
    with system(tmp_path) as made:
        yield made
