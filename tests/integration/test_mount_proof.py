"""That a mount proves itself, and that its directory is guarded while it is away, on this kernel."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import _look, _probe, _run
from modules._mount import proof as mount_proof
from modules._mount.proof import Unproven
from modules.mount import MountError
from saltern.marks import permit_acting
from states.mount import mounted, unmounted
from tests.integration.hang import BLOCK, BLOCKS, FREE, silent
from tests.integration.kernel import Node, mount_namespace, needs_root, tool
from tests.patience import WAIT_S

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(needs_root, reason="needs root"),
    pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd is process 1: the lab tests its units"),
]

TMPFS = {"device": "tmpfs", "fstype": "tmpfs", "persist": False}


@pytest.fixture
def node(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(_probe, "TIMEOUT_S", WAIT_S)
    monkeypatch.setattr(_run, "ENDED_S", 0.2)
    with mount_namespace(("/etc",), str(tmp_path_factory.mktemp("scratch"))):
        Path("/etc/fstab").write_text("")
        yield Node(tmp_path)


def test_a_guarded_directory_takes_no_file_while_the_mount_is_away(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    arguments = {**TMPFS, "persist": True, "guard": True, "prove": True}
    guard = f"guard the directory under {place} against files"
    said = node.apply(mounted, str(place), **arguments)
    assert said == [
        f"make directory {place}",
        guard,
        f"write {place} into /etc/fstab",
        f"mount tmpfs at {place}",
        f"prove that {place} can be read and written",
    ]
    (place / "above").touch()
    tool("umount", str(place))
    with pytest.raises(PermissionError):
        (place / "below").touch()
    assert node.apply(mounted, str(place), **arguments)[0] == f"mount tmpfs at {place}"
    with permit_acting():
        mount_proof.guard(str(place), False)  # drift, though the directory can't be seen
    assert node.apply(mounted, str(place), **arguments) == [guard]
    assert node.apply(unmounted, str(place)) == [f"unmount {place}"]
    assert mount_proof.below(str(place)) == (True, True)  # the line of fstab would mount it again
    assert node.apply(unmounted, str(place), persist=True)[-1] == f"no longer {guard}"
    (place / "free").touch()


def test_a_directory_with_files_is_not_guarded_unasked_and_refused_when_asked(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.mkdir()
    (place / "file").touch()
    with pytest.raises(MountError, match="holds files that the mount hides"):
        node.plan(mounted, str(place), guard=True, **TMPFS)
    plan = node.plan(mounted, str(place), device="filer:/x", fstype="nfs4", persist=False)
    assert [step.sentence for step in plan.steps] == [
        f"mount filer:/x at {place}",
        f"prove that {place} can be read and written",
    ]


def test_a_network_mount_is_guarded_and_proven_unless_told_otherwise(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    nfs = {"device": "filer:/x", "fstype": "nfs4", "persist": False}
    said = [step.sentence for step in node.plan(mounted, str(place), **nfs).steps]
    assert said[1:] == [
        f"guard the directory under {place} against files",
        f"mount filer:/x at {place}",
        f"prove that {place} can be read and written",
    ]
    said = [step.sentence for step in node.plan(mounted, str(place), opts="ro", **nfs).steps]
    assert said[-1] == f"prove that {place} can be read"
    said = [step.sentence for step in node.plan(mounted, str(place), prove=False, guard=False, **nfs).steps]
    assert said == [f"make directory {place}", f"mount filer:/x at {place}"]


def test_the_proof_leaves_nothing_behind_and_planning_writes_nothing(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), prove="write", **TMPFS)
    before = os.stat(place).st_mtime_ns
    assert node.plan(mounted, str(place), prove="write", **TMPFS).steps == ()
    assert (os.listdir(place), os.stat(place).st_mtime_ns) == ([], before)


def test_a_mount_that_can_not_be_written_is_a_failure_that_says_so(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), prove=True, **TMPFS)
    tool("chattr", "+i", str(place))
    said = node.plan(mounted, str(place), prove=True, **TMPFS).unknown
    assert said is not None
    assert re.search(r"tmpfs is mounted at .*, but it can't be written there", said)
    with permit_acting(), pytest.raises(Unproven, match="can't be written there"):
        mount_proof.prove(str(place), "tmpfs", True)
    assert node.plan(mounted, str(place), prove="read", **TMPFS).steps == ()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may pass: below pytest's own another run would close it again."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_one_that_only_its_owner_may_write_is_proven(open_folder: Path, node: Node) -> None:
    """As on a server that squashes root: root may not, the owner may."""
    place = open_folder / "x"
    node.apply(mounted, str(place), **TMPFS)
    os.chown(place, 65534, 65534)
    place.chmod(0o755)
    said = tool("capsh", "--drop=cap_dac_override,cap_dac_read_search", "--", "-c", f"exec {PROOF} {place}")
    assert said.strip() == '{"ok": null}'
    assert os.listdir(place) == []


PROOF = f"/usr/bin/python3 -I -S {_look.__file__} write"


def test_a_full_file_system_is_mounted_all_the_same(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), opts="size=64k", **TMPFS)
    (place / "big").write_bytes(bytes(64 << 10))
    with permit_acting():
        mount_proof.prove(str(place), "tmpfs", True)


def test_a_server_that_is_away_is_a_failure_in_bounded_time(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "x"
    arguments = {"device": "filer:/x", "fstype": "fuse", "persist": False, "guard": False}
    with silent(place, well=True) as filer:
        assert node.plan(mounted, str(place), prove="read", **arguments).steps == ()
        filer.well.clear()
        before = filer.asked
        for seconds in (0.5, 8.0, 60.0):  # until the question has come there, soon or late as this machine is
            monkeypatch.setattr(_probe, "TIMEOUT_S", seconds)
            said = node.plan(mounted, str(place), prove="read", **arguments).unknown
            assert said is not None
            assert re.search(rf"filer:/x is mounted at .*, but it did not answer within {seconds:g} s", said)
            if (asked := filer.asked) > before:
                break
            monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / f"locks{seconds}"))
        monkeypatch.setattr(_probe, "AGAIN_S", 0.3)
        again = node.plan(mounted, str(place), prove="read", **arguments).unknown
        assert "did not answer an earlier question yet" in str(again)
        assert filer.asked == asked  # stuck processes do not pile up
        with pytest.raises(MountError, match="can't be bound"):
            node.plan(mounted, str(tmp_path / "y"), device=f"{place}/in", fstype="none", opts="bind", persist=False)


def test_several_that_are_away_cost_the_time_of_one(node: Node, tmp_path: Path) -> None:
    with silent(tmp_path / "a"), silent(tmp_path / "b"), silent(tmp_path / "c", well=True):
        paths = [str(tmp_path / name) for name in "abc"]
        for seconds in (3.0, 15.0, 60.0):  # until the third has answered, soon or late as this machine is
            found = _probe.ask_all("space", paths, timeout_s=seconds)
            assert [found[path].error for path in paths[:2]] == ["ETIMEDOUT", "ETIMEDOUT"]
            if found[paths[2]].error is None:
                break
        assert found[paths[2]].value["size"] == BLOCKS * BLOCK
        assert found[paths[2]].value["free"] == FREE * BLOCK


def test_a_server_that_gave_no_answer_is_waited_for_once(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_probe, "AGAIN_S", 0.3)
    with silent(tmp_path / "a") as away, silent(tmp_path / "b", well=True):
        for seconds in (1.0, 8.0, 60.0):  # until the question has come there, soon or late as this machine is
            monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / f"locks{seconds}"))
            said = _probe.ask("space", str(tmp_path / "a"), timeout_s=seconds, server="filer").said
            assert said == f"it did not answer within {seconds:g} s"
            if away.asked:
                break
        said = _probe.ask("space", str(tmp_path / "b"), server="filer").said
        assert said == "it did not answer an earlier question yet"
    assert _probe.ask("space", str(tmp_path), timeout_s=WAIT_S, server="filer").error is None
    assert _probe.server_of("filer:/a:/b") == "filer"
    assert _probe.server_of("[fd00::1]:/x") == "[fd00::1]"
    assert _probe.server_of("//host/share/x") == "//host"
    assert _probe.server_of("/dev/vda1") == "/dev/vda1"


def test_a_node_too_busy_to_ask_does_not_blame_the_server(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = tmp_path / "asks"
    asks.write_text("#!/bin/sh\nexec sleep 3600\n")  # what is never given a turn
    asks.chmod(0o755)
    with monkeypatch.context() as busy:
        busy.setattr(_probe, "START_S", 0.3)
        busy.setattr(sys, "executable", str(asks))
        answer = _probe.ask("space", str(tmp_path), server="filer")
    assert answer.error == "EAGAIN"
    assert answer.said == "the process that asks did not start within 0.3 s: is this node overloaded?"
    assert not _probe.recently_silent("filer")
    assert _probe.ask("space", str(tmp_path), server="filer").error is None
