"""What many tests ask for: a master of its own for each test, and once for all what QEMU can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system import System, system


@pytest.fixture(scope="session")
def qemu_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' libvirt daemons, one after another, keep what each QEMU can do."""
    return tmp_path_factory.mktemp("qemu-cache")


@pytest.fixture
def master(tmp_path: Path) -> Iterator[System]:
    """A running master without minions."""
    with system(tmp_path) as made:
        yield made
