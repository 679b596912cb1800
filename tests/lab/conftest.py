"""The fixture `lab`: three hosts of the example platform, booted once for all lab tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.channel import LabError
from tests.lab.lab import Lab

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in this directory are lab tests."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("lab")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three booted hosts: on-filer1, on-master1, on-node1. A test leaves them as it found them."""
    try:
        made = Lab()
        made.__enter__()
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield made
    finally:
        made.remove()
