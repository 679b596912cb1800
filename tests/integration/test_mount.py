"""`mount.mounted` and `mount.unmounted` on this kernel, in a mount namespace of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import _probe, mount
from modules._file.safe import UnsafePath
from modules._mount.options import MountOptionError
from modules.mount import MountError
from saltern.marks import permit_acting
from states.mount import mounted, unmounted
from tests.integration.kernel import Node, mount_namespace, needs_root, tool

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(needs_root, reason="needs root"),
    pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd is process 1: the lab tests its units"),
]

COMMENTED = "# keep me\nUUID=1-2\t/boot  ext4 defaults 0 2\n"


@pytest.fixture
def node(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with mount_namespace(("/etc",), str(tmp_path_factory.mktemp("scratch"))):
        Path("/etc/fstab").write_text(COMMENTED)
        yield Node(tmp_path)


def shown(target: Path) -> set[str]:
    return set(tool("findmnt", "-n", "-o", "OPTIONS", "--mountpoint", str(target)).strip().split(","))


def test_a_mount_is_made_written_down_and_then_left_alone(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "a b" / "c"
    arguments = {"device": "tmpfs", "fstype": "tmpfs", "opts": "size=1m,nodev,mode=0750"}
    said = node.apply(mounted, str(place), **arguments)
    assert said == [f"make directory {place}", f"write {place} into /etc/fstab", f"mount tmpfs at {place}"]
    assert {"nodev", "size=1024k", "mode=750"} <= shown(place)
    escaped = str(place).replace(" ", "\\040")
    assert Path("/etc/fstab").read_text() == f"{COMMENTED}tmpfs\t{escaped}\ttmpfs\tsize=1m,nodev,mode=0750\t0 0\n"
    before = os.stat("/etc/fstab")
    assert node.apply(mounted, str(place), **arguments) == []
    assert os.stat("/etc/fstab").st_mtime_ns == before.st_mtime_ns
    tool("umount", str(place))
    tool("mount", str(place))  # the line works


def test_planning_touches_nothing(node: Node, tmp_path: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    plan = node.plan(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs")
    assert len(plan.steps) == 3
    assert not (tmp_path / "x").exists()
    assert Path("/etc/fstab").read_text() == COMMENTED
    assert Path("/proc/self/mountinfo").read_text() == before


def test_an_unmounted_place_is_mounted_again(node: Node, tmp_path: Path) -> None:
    node.apply(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs")
    tool("umount", str(tmp_path / "x"))
    assert node.apply(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs") == [f"mount tmpfs at {tmp_path}/x"]


@pytest.mark.parametrize(
    ("asked", "drift"),
    [
        ("defaults", "ro"),
        ("defaults", "noexec,nosuid"),
        ("noatime", "strictatime"),
        ("noatime", "relatime"),
        ("nodev", "dev"),
        ("size=1m", "size=2m"),
        ("strictatime", "noatime"),
        ("ro", "rw"),
    ],
)
def test_options_that_drifted_are_remounted_and_files_stay(node: Node, tmp_path: Path, asked: str, drift: str) -> None:
    place = tmp_path / "x"
    arguments = {"device": "tmpfs", "fstype": "tmpfs", "opts": asked, "persist": False}
    node.apply(mounted, str(place), **arguments)
    tool("mount", "-o", "remount,rw", "--", str(place))
    (place / "file").touch()
    tool("mount", "-o", f"remount,{drift}", "--", "tmpfs", str(place))
    said = node.apply(mounted, str(place), **arguments)
    assert len(said) == 1
    assert said[0].startswith(f"remount {place}: ")
    assert (place / "file").exists()


def test_another_label_of_a_tmpfs_is_left_alone_with_its_files(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), device="one", fstype="tmpfs")
    (place / "file").touch()
    assert node.apply(mounted, str(place), device="two", fstype="tmpfs") == [f"write {place} into /etc/fstab"]
    assert (place / "file").exists()


def test_another_file_system_is_exchanged(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), device="one", fstype="tmpfs")
    said = node.apply(mounted, str(place), device="two", fstype="ramfs")
    assert said == [f"unmount one from {place}", f"write {place} into /etc/fstab", f"mount two at {place}"]


def test_a_bind_mount_is_known_by_what_it_shows(node: Node, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    place = tmp_path / "x"
    arguments = {"device": str(tmp_path / "one"), "fstype": "none", "opts": "bind,ro"}
    node.apply(mounted, str(place), **arguments)
    assert "ro" in shown(place)
    arguments["opts"] = "bind"
    assert node.apply(mounted, str(place), **arguments)[-1] == f"remount {place}: rw instead of ro"
    assert "rw" in shown(place)
    arguments["device"] = str(tmp_path / "two")
    assert len(node.apply(mounted, str(place), **arguments)) == 3


def test_a_bind_mount_has_the_flags_of_its_source_and_keeps_them(node: Node, tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "x"
    node.apply(mounted, str(source), device="tmpfs", fstype="tmpfs", opts="nosuid,noatime", persist=False)
    arguments = {"device": str(source), "fstype": "none", "persist": False}
    node.apply(mounted, str(place), opts="bind", **arguments)
    assert {"rw", "nosuid", "noatime"} <= shown(place)
    assert node.apply(mounted, str(place), opts="bind,ro", **arguments) == [f"remount {place}: ro instead of rw"]
    assert {"ro", "nosuid", "noatime"} <= shown(place)
    assert "rw" in shown(source)
    node.apply(mounted, str(source), device="tmpfs", fstype="tmpfs", opts="nosuid,noatime,ro", persist=False)
    assert node.apply(mounted, str(place), opts="bind", **arguments) == []
    node.apply(mounted, str(source), device="tmpfs", fstype="tmpfs", opts="nosuid", persist=False)
    said = node.apply(mounted, str(place), opts="bind", **arguments)
    assert said == [f"remount {place}: rw instead of noatime,ro"]
    assert {"rw", "nosuid", "relatime"} <= shown(place)


def test_a_bind_mount_is_known_though_links_lead_to_it(node: Node, tmp_path: Path) -> None:
    for name in ("one", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "source").symlink_to(tmp_path / "one")
    said = node.apply(mounted, f"{tmp_path}/link/x", device=f"{tmp_path}/source", fstype="none", opts="bind")
    assert said[-1] == f"mount {tmp_path}/source at {tmp_path}/real/x"
    assert mount.is_mounted(f"{tmp_path}/link/x")
    assert node.apply(unmounted, f"{tmp_path}/link/x") == [f"unmount {tmp_path}/real/x"]


def test_the_link_of_another_user_leads_nowhere(node: Node, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    os.chown(tmp_path / "link", 65534, 65534, follow_symlinks=False)
    with pytest.raises(UnsafePath):
        node.plan(mounted, f"{tmp_path}/link/x", device="tmpfs", fstype="tmpfs")


def test_a_mount_that_another_hides_is_not_there(node: Node, tmp_path: Path) -> None:
    arguments = {"device": "tmpfs", "fstype": "tmpfs", "persist": False}
    node.apply(mounted, f"{tmp_path}/up/x", **arguments)
    node.apply(mounted, f"{tmp_path}/up", **arguments)
    assert not mount.is_mounted(f"{tmp_path}/up/x")
    assert node.apply(mounted, f"{tmp_path}/up/x", **arguments)[-1] == f"mount tmpfs at {tmp_path}/up/x"


def test_blanks_and_commas_in_a_device_are_its_own(node: Node, tmp_path: Path) -> None:
    node.apply(mounted, str(tmp_path / "x"), device="mon1,mon2:/a b", fstype="tmpfs")
    tool("umount", str(tmp_path / "x"))
    tool("mount", str(tmp_path / "x"))  # the line works
    assert node.apply(mounted, str(tmp_path / "x"), device="mon1,mon2:/a b", fstype="tmpfs") == []


def test_the_owner_of_a_tmpfs_is_changed_by_mounting_it_anew(node: Node, tmp_path: Path) -> None:
    place = str(tmp_path / "x")
    node.apply(mounted, place, device="tmpfs", fstype="tmpfs", opts="uid=7,mode=700", persist=False)
    said = node.apply(mounted, place, device="tmpfs", fstype="tmpfs", opts="uid=8,mode=700", persist=False)
    assert said == [f"unmount tmpfs from {place}", f"mount tmpfs at {place}"]


def test_bytes_of_other_lines_stay_as_they_are(node: Node, tmp_path: Path) -> None:
    odd = b"a\t/b ext4 defaults 0 0\r\n# \xff\xa0\x0c x\n"
    Path("/etc/fstab").write_bytes(odd)
    node.apply(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs")
    assert Path("/etc/fstab").read_bytes().startswith(odd)
    node.apply(unmounted, str(tmp_path / "x"), persist=True)
    assert Path("/etc/fstab").read_bytes() == odd


def test_a_loop_mount_is_known_by_its_file(node: Node, tmp_path: Path) -> None:
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    tool("mkfs.ext4", "-q", str(image))
    if subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no loop device")
    node.apply(mounted, str(tmp_path / "x"), device=str(image), fstype="ext4", opts="loop,noatime", persist=False)
    node.apply(unmounted, str(tmp_path / "x"))


def test_unmounted_takes_all_layers_away_and_the_line_where_wished(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), device="tmpfs", fstype="tmpfs")
    tool("mount", "-t", "tmpfs", "second", str(place))
    assert node.apply(unmounted, str(place)) == [f"unmount {place}"]
    assert str(place) in Path("/etc/fstab").read_text()
    assert node.apply(unmounted, str(place), persist=True) == [f"remove {place} from /etc/fstab"]
    assert Path("/etc/fstab").read_text() == COMMENTED
    assert node.apply(unmounted, str(place), persist=True) == []


def test_unmounted_with_a_device_leaves_another_one_alone(node: Node, tmp_path: Path) -> None:
    node.apply(mounted, str(tmp_path / "x"), device="mine", fstype="tmpfs", persist=False)
    assert node.apply(unmounted, str(tmp_path / "x"), device="yours") == []
    assert node.apply(unmounted, str(tmp_path / "x"), device="mine") == [f"unmount {tmp_path}/x"]


def test_a_busy_mount_is_a_failure_that_names_who_uses_it(node: Node, tmp_path: Path) -> None:
    place = tmp_path / "x"
    node.apply(mounted, str(place), device="tmpfs", fstype="tmpfs", persist=False)
    sleeper = subprocess.Popen(["sleep", "3600"], cwd=place)
    try:
        with permit_acting(), pytest.raises(MountError, match=rf"is busy: used by sleep \({sleeper.pid}\)"):
            mount.umount(str(place))
    finally:
        sleeper.kill()
        sleeper.wait()
    (place / "below").mkdir()
    tool("mount", "-t", "tmpfs", "below", str(place / "below"))
    with permit_acting(), pytest.raises(MountError, match=r"/x/below is mounted below it"):
        mount.umount(str(place))


def test_a_mount_that_fails_says_what_mount_said(node: Node, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with permit_acting(), pytest.raises(MountError, match="/nosuch does not exist"):
        mount.mount(str(tmp_path / "x"), "/nosuch", fstype="ext4")


def test_a_mount_that_hangs_is_ended_and_its_server_is_waited_for_once(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, sbin = tmp_path / "asked", tmp_path / "sbin"
    helper = Path("/etc/hang")
    helper.write_text(f"#!/bin/sh\necho >> {asked}\nsleep 3600\n")
    helper.chmod(0o755)
    sbin.mkdir()
    (sbin / "mount.nfssaltern").symlink_to(helper)
    (tmp_path / "y").mkdir()
    tool("mount", "-t", "overlay", "-o", f"lowerdir={sbin}:/sbin", "sbin", "/sbin")
    monkeypatch.setattr(mount, "_PAUSE_S", 0.01)
    for slower in (1, 8, 40):  # until the helper comes to ask at each attempt, soon or late as this machine is
        monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / f"locks{slower}"))
        monkeypatch.setattr(mount, "ATTEMPT_S", 0.5 * slower)
        monkeypatch.setattr(mount, "PATIENCE_S", 2.0 * slower)
        asked.write_text("")
        attempts: list[int] = []
        for path in ("/a", "/b"):
            with permit_acting(), pytest.raises(MountError, match="did not end in time"):
                mount.mount(str(tmp_path / "y"), f"filer:{path}", fstype="nfssaltern")
            attempts.append(len(asked.read_text().splitlines()) - sum(attempts))
        if attempts[0] > 1 and attempts[1] > 0:
            break
    assert attempts[0] > 1
    assert attempts[1] == 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("/mnt/x", {"device": "tmpfs", "fstype": "tmpfs", "opts": ["nodev,exec", "x"]}),
        ("/mnt/x", {"device": "tmpfs", "fstype": "tmpfs", "opts": ["nodev\nexec"]}),
        ("/mnt/x", {"device": "a ", "fstype": "tmpfs"}),
        ("/mnt/x", {"device": "a\\", "fstype": "tmpfs"}),
        ("/mnt/x", {"device": "a\n/dev/sda /boot ext4", "fstype": "tmpfs"}),
        ("/mnt/x", {"device": "a\nWhat=/dev/sda", "fstype": "tmpfs"}),
        ("/mnt/x", {"device": "--bind", "fstype": "tmpfs"}),
        ("/mnt/x", {"device": "tmpfs", "fstype": "tmpfs,ro"}),
        ("/mnt/x\nWhat=/dev/sda", {"device": "tmpfs", "fstype": "tmpfs"}),
        ("/" + "x" * 250, {"device": "tmpfs", "fstype": "tmpfs"}),
        ("/", {"device": "tmpfs", "fstype": "tmpfs"}),
    ],
)
def test_what_would_say_more_than_it_seems_is_refused_while_planning(
    node: Node, name: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(MountOptionError):
        node.plan(mounted, name, **arguments)


def test_a_file_in_the_place_of_the_directory_is_refused_while_planning(node: Node, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(MountOptionError, match="no directory"):
        node.plan(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs")


def test_a_missing_directory_is_unknown_where_it_may_not_be_made(node: Node, tmp_path: Path) -> None:
    plan = node.plan(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs", mkmnt=False)
    assert plan.unknown == f"there is no directory {tmp_path}/x, and mkmnt is off"


def test_the_functions_read_and_edit_what_there_is(node: Node, tmp_path: Path) -> None:
    node.apply(mounted, str(tmp_path / "x"), device="tmpfs", fstype="tmpfs", persist=False)
    assert mount.active()[str(tmp_path / "x")]["fstype"] == "tmpfs"
    assert mount.is_mounted(str(tmp_path / "x"))
    assert not mount.is_mounted(str(tmp_path))
    assert mount.fstab()["/boot"] == {
        "device": "UUID=1-2",
        "fstype": "ext4",
        "opts": ["defaults"],
        "dump": "0",
        "pass": "2",
    }
    with permit_acting():
        assert [mount.set_fstab("/mnt/q", "a:/b", "nfs4", opts) for opts in ("ro", "ro", "rw")] == [
            "new",
            "present",
            "change",
        ]
        assert [mount.rm_fstab("/mnt/q"), mount.rm_fstab("/mnt/q")] == [True, False]
    assert Path("/etc/fstab").read_text() == COMMENTED
