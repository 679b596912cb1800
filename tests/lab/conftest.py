"""Hosts for the lab tests, booted once for many of them.

`lab` are bare hosts, for the tests of the lab itself. `cluster` are three more, with a master that they have joined;
`platform` is the same after it was converged to the example platform, for tests that start from there and leave it so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.channel import LabError
from tests.lab.cluster import Cluster
from tests.lab.lab import Lab

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in this directory are lab tests."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("lab")


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A master and three minions that have joined it, on hosts of their own."""
    try:
        with Lab() as hosts, Cluster(hosts) as made:
            yield made
    except LabError as error:
        pytest.fail(str(error), pytrace=False)


@dataclass(frozen=True, slots=True)
class Platform:
    """The example platform: its cluster, and what the run returned that converged it from bare."""

    cluster: Cluster
    first: Mapping[str, Any]


@pytest.fixture(scope="session")
def platform(cluster: Cluster) -> Platform:
    """The hosts of the example platform, converged from bare by one command."""
    return Platform(cluster, cluster.returns(["saltern", "*", "state.apply"], timeout_s=240))
