"""`datastore.present` and what it tells of capacity, on this kernel's mounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minion.grains import LazyGrains
from modules import _probe, _run, datastore
from modules._datastore.register import DatastoreError
from states.datastore import absent, present
from tests.integration.hang import silent
from tests.integration.kernel import Node, mount_namespace, needs_root, tool
from tests.patience import WAIT_S

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(_probe, "TIMEOUT_S", WAIT_S)
    monkeypatch.setattr(datastore, "GRAIN_S", WAIT_S)
    monkeypatch.setattr(_run, "ENDED_S", 0.2)
    with mount_namespace():
        yield Node(tmp_path)


def tmpfs(place: Path, size: str = "8m") -> None:
    place.mkdir()
    tool("mount", "-t", "tmpfs", "-o", f"size={size}", "filer:/images", str(place))


def test_a_datastore_is_made_noted_and_then_left_alone(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "a" / "100"
    arguments = {"kind": "image", "path": str(place), "user": "65534", "group": "nogroup", "mode": "750"}
    assert node.apply(present, "100", **arguments) == [
        f"make directory {place}",
        f"set user of {place} to nobody",
        f"set group of {place} to nogroup",
        f"set mode of {place} to 0750",
        f"note datastore 100: image, {place}",
    ]
    register = Path(datastore.register_of(node.ctx))
    before = register.stat().st_mtime_ns
    assert node.apply(present, "100", **arguments) == []
    assert register.stat().st_mtime_ns == before
    place.chmod(0o777)
    assert node.apply(present, "100", **arguments) == [f"set mode of {place} to 0750"]
    assert datastore.path_of(node.ctx, 100) == str(place)
    assert node.apply(absent, "100") == ["forget datastore 100"]
    assert place.is_dir()
    with pytest.raises(DatastoreError, match="this node has no datastore '100'"):
        datastore.path_of(node.ctx, "100")


def test_planning_writes_nothing(node: Node, tmp_path: Path) -> None:
    assert len(node.plan(present, "1", kind="file", path=str(tmp_path / "x")).steps) == 2
    assert not (tmp_path / "x").exists()
    assert not Path(datastore.register_of(node.ctx)).exists()


def test_one_whose_mount_is_away_is_not_written_below(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "100"
    arguments = {"kind": "image", "path": str(place), "mount": "filer:/images"}
    assert node.plan(present, "100", **arguments).unknown == f"the datastore 100 is away: nothing is mounted at {place}"
    tmpfs(place)
    assert node.apply(present, "100", **arguments) == [f"note datastore 100: image, {place}"]
    other = node.plan(present, "100", kind="image", path=str(place), mount="filer:/other").unknown
    assert other == f"the datastore 100 is away: filer:/images is mounted at {place} and not filer:/other"
    tool("umount", str(place))
    with pytest.raises(DatastoreError, match=f"100 is away: nothing is mounted at {place}"):
        datastore.path_of(node.ctx, "100")
    shown = datastore.list_(node.ctx)["100"]
    assert shown == {"kind": "image", "path": str(place), "error": f"nothing is mounted at {place}"}


def test_capacity_is_that_of_the_file_system(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "1"
    tmpfs(place)
    node.apply(present, "1", kind="system", path=str(place), mount=True)
    (place / "disk").write_bytes(bytes(2 << 20))
    shown = datastore.info(node.ctx, "1")
    assert (shown["size"], shown["free"], shown["used_percent"]) == (8, 6, 25)
    assert LazyGrains(node.ctx.config)["datastores"]["1"]["free"] == 6
    assert datastore.need(str(place / "x"), 6 << 20) is None
    assert datastore.need(str(place / "x"), 7 << 20) == f"{place} has 6 MiB left, and {place}/x takes 7 MiB"


def test_a_filer_that_is_away_is_told_in_bounded_time_and_hides_no_other(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, well = tmp_path / "1", tmp_path / "2"
    tmpfs(well)
    node.apply(present, "2", kind="file", path=str(well), mount=True)
    with silent(place, well=True) as filer:
        node.apply(present, "1", kind="image", path=str(place), mount="filer:/x")
        filer.well.clear()
        for seconds in (2.0, 15.0, 60.0):  # until the other one has answered, soon or late as this machine is
            monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / f"locks{seconds}"))
            monkeypatch.setattr(datastore, "GRAIN_S", seconds)
            grain = LazyGrains(node.ctx.config)["datastores"]
            said = f"it did not answer within {seconds:g} s"
            assert grain["1"] == {"kind": "image", "path": str(place), "error": said}
            if "error" not in grain["2"]:
                break
        assert grain["2"]["size"] == 8
        monkeypatch.setattr(_probe, "TIMEOUT_S", 0.2)
        with pytest.raises(DatastoreError, match=f"{place}: it did not answer"):
            node.plan(present, "1", kind="image", path=str(place))


def test_what_is_in_the_way_is_refused(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatastoreError, match="is a file, no directory"):
        node.plan(present, "1", kind="file", path=str(tmp_path / "file"))


def test_a_user_that_is_not_there_yet_is_unknown(node: Node, tmp_path: Path) -> None:
    assert node.plan(present, "1", kind="file", path=str(tmp_path / "x"), user="nosuch").unknown is not None
