"""The steps of `mount.mounted` and `mount.unmounted`, as tables."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from modules import mount
from modules._mount import proof as mount_proof
from modules._mount import unit as mount_unit
from modules._mount.fstab import Line
from modules._mount.table import unit_name
from modules.mount import Mount, MountError, Unit
from saltern.converge.plan import UNSET, Call, call
from saltern.marks import permit_acting
from states._mount import Way, gone_steps, steps
from tests.patience import WAIT_S

AT = "/var/lib/one/datastores/100"
DEVICE = "on-filer1:/images"
UNIT = Unit("text", True)
RIGHT = Mount(DEVICE, "nfs4", frozenset({"rw", "hard"}), UNIT, UNSET)
GONE = Mount(None, None, frozenset(), UNIT, UNSET)
WAY = Way(AT, DEVICE, "nfs4", ("defaults",), True, True)
START = call(mount.start_unit, AT, "nfs4")


def _replaced(value: Mount, **fields: object) -> Mount:
    from dataclasses import replace

    return replace(value, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (RIGHT, []),
        (GONE, [START]),
        (_replaced(RIGHT, device="other:/x"), [call(mount.umount, AT), START]),
        (_replaced(RIGHT, fstype="ext4"), [call(mount.umount, AT), START]),
        (
            _replaced(RIGHT, options=frozenset({"ro", "hard"})),
            [call(mount.remount, AT, "rw,relatime")],
        ),
        (_replaced(RIGHT, options=frozenset({"rw", "soft"})), [call(mount.umount, AT), START]),
        (_replaced(RIGHT, unit=None), [call(mount.write_unit, AT, "text"), call(mount.enable_unit, AT)]),
        (_replaced(RIGHT, unit=Unit("old", True)), [call(mount.write_unit, AT, "text")]),
        (_replaced(RIGHT, unit=Unit("text", False)), [call(mount.enable_unit, AT)]),
        (
            _replaced(GONE, unit=None),
            [call(mount.write_unit, AT, "text"), call(mount.enable_unit, AT), START],
        ),
    ],
)
def test_only_what_differs_is_mended_by_the_unit(current: Mount, expected: list[Call]) -> None:
    assert [step.do for step in steps(current, RIGHT, WAY)] == expected


def test_without_systemd_the_line_is_written_and_mount_is_called() -> None:
    line = Line(DEVICE, "nfs4", "defaults")
    wish = _replaced(RIGHT, unit=UNSET, line=line)
    current = _replaced(GONE, unit=UNSET, line=None)
    way = Way(AT, DEVICE, "nfs4", ("defaults",), False, False)
    assert [step.do for step in steps(current, wish, way)] == [
        call(mount.make_point, AT),
        call(mount.write_line, AT, line),
        call(mount.mount, AT, DEVICE, fstype="nfs4", opts="defaults"),
    ]


def test_the_unit_says_what_the_administrator_would_write() -> None:
    assert mount_unit.text(AT, DEVICE, "nfs4", ["rw", "_netdev"]) == (
        "# Managed by Saltern\n"
        "[Unit]\n"
        "Description=Mount of /var/lib/one/datastores/100\n"
        "\n"
        "[Mount]\n"
        "What=on-filer1:/images\n"
        "Where=/var/lib/one/datastores/100\n"
        "Type=nfs4\n"
        "Options=rw,_netdev\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


@pytest.mark.skipif(which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("device", [DEVICE, "//filer/a b%n", "mon1,mon2:/"])
def test_systemd_takes_the_unit(tmp_path: Path, device: str) -> None:
    unit = tmp_path / unit_name("/mnt/a b%h-c")
    unit.write_text(mount_unit.text("/mnt/a b%h-c", device, "nfs4", ["rw"]))
    argv = ["systemd-analyze", "verify", "--man=no", str(unit)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert [line for line in ran.stderr.splitlines() if unit.name in line] == []
    assert ran.returncode == 0, ran.stderr


def test_a_device_that_does_not_exist_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount, "UNITS", str(tmp_path))
    (tmp_path / unit_name(AT)).write_text(mount_unit.text(AT, "/dev/nosuch", "ext4", []))
    with permit_acting(), pytest.raises(MountError, match="there is no device /dev/nosuch"):
        mount.start_unit(AT, "ext4")


def test_with_noauto_the_unit_is_written_and_not_enabled() -> None:
    wish = _replaced(RIGHT, unit=Unit("text", False))
    assert [step.do for step in steps(RIGHT, wish, WAY)] == [call(mount.disable_unit, AT)]
    assert [step.do for step in steps(_replaced(RIGHT, unit=None), wish, WAY)] == [call(mount.write_unit, AT, "text")]


def test_what_is_mounted_at_boot_in_either_way_is_taken_away() -> None:
    line = Line(DEVICE, "nfs4", "defaults")
    current = Mount(DEVICE, unit=UNIT, line=line)
    assert [step.do for step in gone_steps(AT, current, Mount(None, unit=None, line=None))] == [
        call(mount.umount, AT),
        call(mount.remove_unit, AT),
        call(mount.write_line, AT, None),
    ]
    assert [step.do for step in gone_steps(AT, Mount(DEVICE), Mount(None))] == [call(mount.umount, AT)]


AUTO = Unit("auto", True)
ARMED = _replaced(RIGHT, unit=Unit("text", False), automount=AUTO, armed=True)
ARM = call(mount.arm, AT)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (ARMED, []),
        (_replaced(ARMED, device=None, fstype=None, options=frozenset()), [START]),
        (_replaced(ARMED, armed=False), [call(mount.umount, AT), ARM, START]),
        (
            _replaced(ARMED, automount=Unit("old", True)),
            [
                call(mount.umount, AT),
                call(mount.disarm, AT),
                call(mount.write_unit, AT, "auto", "automount"),
                ARM,
                START,
            ],
        ),
        (_replaced(ARMED, automount=Unit("auto", False)), [call(mount.enable_unit, AT, "automount")]),
        (
            _replaced(RIGHT, automount=None, armed=False),
            [
                call(mount.umount, AT),
                call(mount.disable_unit, AT),
                call(mount.write_unit, AT, "auto", "automount"),
                call(mount.enable_unit, AT, "automount"),
                ARM,
                START,
            ],
        ),
    ],
)
def test_an_automount_point_is_set_up_while_nothing_is_mounted_on_it(current: Mount, expected: list[Call]) -> None:
    assert [step.do for step in steps(current, ARMED, WAY)] == expected


def test_automount_is_taken_away_where_it_is_not_wished() -> None:
    wish = _replaced(RIGHT, automount=None, armed=False)
    assert [step.do for step in steps(_replaced(ARMED, unit=UNIT), wish, WAY)] == [
        call(mount.umount, AT),
        call(mount.disarm, AT),
        call(mount.remove_unit, AT, "automount"),
        START,
    ]


def test_a_stale_mount_is_mounted_anew_and_proven() -> None:
    way = _way(proof="write")
    stale = _replaced(RIGHT, device=f"{DEVICE} (stale)")
    assert [step.do for step in steps(stale, RIGHT, way)] == [
        call(mount.umount, AT),
        START,
        call(mount_proof.prove, AT, DEVICE, True),
    ]
    assert list(steps(RIGHT, RIGHT, way)) == []


def _way(**fields: object) -> Way:
    from dataclasses import replace

    return replace(WAY, **fields)  # type: ignore[arg-type]


def test_the_automount_unit_says_what_the_administrator_would_write() -> None:
    assert mount_unit.automount("/srv/a%b", 300) == (
        "# Managed by Saltern\n[Unit]\nDescription=Automount of /srv/a%%b\n\n[Automount]\nWhere=/srv/a%%b\n"
        "TimeoutIdleSec=300\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def test_a_new_directory_is_guarded_where_it_can_be_and_must_be_only_when_asked() -> None:
    current, wish = _replaced(GONE, guarded=False), _replaced(RIGHT, guarded=True)
    for way, guard in (
        (_way(has_point=False, must_guard=False), call(mount_proof.guard_if_possible, AT)),
        (_way(has_point=False), call(mount_proof.guard, AT, True)),
        (_way(has_point=True, must_guard=False), call(mount_proof.guard, AT, True)),
    ):
        done = [step.do for step in steps(current, wish, way)]
        assert done == [*([] if way.has_point else [call(mount.make_point, AT)]), guard, START]
