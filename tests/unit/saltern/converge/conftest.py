"""The node that the engine's tests converge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.saltern.converge.node import Node, install


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    """An empty node; its states are offered as `probe.*`."""
    made = Node(tmp_path)
    install(monkeypatch, made)
    return made
