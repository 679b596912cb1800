"""Labs that begin at the same time take nothing from each other."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.lab import PREFIX, _claim_directory


def test_a_new_directory_is_not_taken_for_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}old").mkdir()
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: _claim_directory(), range(300)))
    try:
        assert sorted(tmp_path.iterdir()) == sorted(directory for _, directory in claimed)
    finally:
        for lock, _ in claimed:
            os.close(lock)
