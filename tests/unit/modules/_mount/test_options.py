"""Which options of a wish hold for a mount that the kernel shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._mount import options
from modules._mount.options import MountOptionError
from modules._mount.table import Live

NFS = (
    "rw,relatime,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,"
    "clientaddr=192.168.43.1,local_lock=none,addr=192.168.43.252"
)


def live(shown: str, fstype: str) -> Live:
    return Live("/x", "d", fstype, frozenset(shown.split(",")))


def right(asked: str, shown: str, fstype: str) -> bool:
    wish = options.compared(options.listed(asked), fstype)
    return options.holding(wish, live(shown, fstype)) == wish


@pytest.mark.parametrize(
    "asked",
    [
        "defaults",
        "",
        "rw",
        "rw,relatime",
        "defaults,_netdev,nofail,x-systemd.automount,noauto,bg,retry=3",
        "vers=4.2",
        "vers=4",
        "nfsvers=4.2",
        "vers=4,minorversion=2",
        "tcp",
        "proto=tcp",
        "hard",
        "hard,timeo=600,retrans=2,sec=sys",
        "rsize=1048576,wsize=262144",
        "ac,cto,lock",
        "actimeo=3,acregmax=60,acdirmin=30,acdirmax=60",
        "lookupcache=all",
        "ro,rw",
        "noatime,relatime",
        "nolock",
        "noacl,local_lock=all",
    ],
)
def test_an_nfs_mount_that_is_right_is_left_alone(asked: str) -> None:
    assert right(asked, NFS, "nfs4")


@pytest.mark.parametrize(
    "asked",
    [
        "ro",
        "noatime",
        "strictatime",
        "nosuid",
        "users",
        "vers=4.1",
        "vers=3",
        "minorversion=1",
        "soft",
        "timeo=50",
        "rsize=8192",
        "proto=udp",
        "sec=krb5",
        "noac",
        "actimeo=0",
        "nconnect=4",
        "rw,ro",
        "nosuchoption",
    ],
)
def test_an_nfs_option_that_the_kernel_shows_differently_is_a_difference(asked: str) -> None:
    assert not right(asked, NFS, "nfs4")


@pytest.mark.parametrize("extra", ["ro", "noexec", "nosuid", "nodev", "sync", "noatime", "soft", "noac"])
def test_what_is_on_without_being_asked_for_is_a_difference(extra: str) -> None:
    shown = NFS.replace("rw,", "ro,") if extra == "ro" else NFS.replace("hard", extra) if extra == "soft" else NFS
    assert not right("defaults", f"{shown},{extra}", "nfs4")


@pytest.mark.parametrize(
    ("asked", "shown", "fstype"),
    [
        ("size=1m", "rw,relatime,size=1024k", "tmpfs"),
        ("size=1048576,mode=0755", "rw,relatime,size=1024k,mode=755", "tmpfs"),
        ("size=50%", "rw,relatime,size=8000k", "tmpfs"),
        ("mode=1777,uid=0", "rw,relatime", "tmpfs"),
        ("nr_inodes=1k", "rw,relatime,nr_inodes=1024", "tmpfs"),
        ("acl,errors=remount-ro", "rw,relatime,errors=remount-ro", "ext4"),
        ("strictatime", "rw", "ext4"),
        ("noac", NFS.replace("rw,", "rw,sync,noac,"), "nfs4"),
        ("users,exec", "rw,nosuid,nodev,relatime", "ext4"),
    ],
)
def test_other_words_for_the_same_hold(asked: str, shown: str, fstype: str) -> None:
    assert right(asked, shown, fstype)


@pytest.mark.parametrize(
    ("asked", "shown", "fstype"),
    [("size=2m", "rw,size=1024k", "tmpfs"), ("mode=755", "rw,mode=700", "tmpfs"), ("discard", "rw", "ext4")],
)
def test_other_values_do_not_hold(asked: str, shown: str, fstype: str) -> None:
    assert not right(asked, shown, fstype)


@pytest.mark.parametrize(
    ("asked", "shown", "fstype", "source"),
    [
        ("bind", "ro,nosuid", "ext4", "ro,nosuid"),
        ("bind,ro", "ro,nodev", "ext4", "rw,nodev"),
        ("defaults", "rw,nosuid,nodev,relatime", "fuse.sshfs", ""),
        ("defaults", "ro,relatime", "squashfs", ""),
    ],
)
def test_a_flag_that_comes_by_itself_is_left_alone(asked: str, shown: str, fstype: str, source: str) -> None:
    words = options.listed(asked)
    may = options.unasked(words, fstype, frozenset(source.split(",")))
    wish = options.compared(words, fstype, may)
    assert options.holding(wish, live(shown, fstype), may) == wish


@pytest.mark.parametrize(
    ("asked", "shown", "fstype", "source"),
    [
        ("bind", "ro", "ext4", "rw"),
        ("bind,rw", "ro", "ext4", "ro"),
        ("bind,suid", "rw,nosuid", "ext4", "rw,nosuid"),
        ("bind,nodev", "rw", "ext4", "rw"),
        ("dev", "rw,nosuid,nodev", "fuse.sshfs", ""),
        ("ro", "rw", "squashfs", ""),
    ],
)
def test_a_flag_that_was_asked_otherwise_is_a_difference(asked: str, shown: str, fstype: str, source: str) -> None:
    words = options.listed(asked)
    may = options.unasked(words, fstype, frozenset(source.split(",")))
    wish = options.compared(words, fstype, may)
    assert options.holding(wish, live(shown, fstype), may) != wish


@pytest.mark.parametrize(("asked", "right_"), [("nolock", True), ("lock", False), ("vers=3", True), ("vers=4", False)])
def test_nfs_3_shows_its_locking(asked: str, right_: bool) -> None:
    shown = "rw,relatime,vers=3,rsize=131072,hard,nolock,proto=tcp,mountaddr=192.168.43.252,local_lock=all"
    assert right(asked, shown, "nfs") is right_


def test_the_remount_of_a_bind_mount_says_the_flags_that_stay() -> None:
    shown = live("rw,nosuid,noexec,noatime", "ext4")
    assert options.keeping(("bind", "ro", "exec"), shown) == ("bind", "ro", "exec", "noatime", "nosuid")


def test_the_difference_shows_what_the_kernel_has_instead() -> None:
    wish = options.compared(["vers=4.1"], "nfs4")
    assert options.holding(wish, live(NFS, "nfs4")) - wish == {"vers=4.2"}


@pytest.mark.parametrize("opts", ["a b", "a\nb", ["a,b"], ["a\tb"], "a\\040b", 'a"b', ["x\0"]])
def test_an_option_that_would_be_two_is_refused(opts: str | list[str]) -> None:
    with pytest.raises(MountOptionError):
        options.listed(opts)


@given(st.lists(st.text(max_size=12), max_size=5))
def test_what_is_listed_can_be_joined_and_split_again(opts: list[str]) -> None:
    try:
        found = options.listed(opts)
    except MountOptionError:
        return
    assert tuple(",".join(found).split(",") if found else ()) == found
    assert not set("".join(found)) & set(' \n\t\\"')


@pytest.mark.parametrize(
    ("was", "will", "fstype", "possible"),
    [
        ("rw", "ro", "nfs4", True),
        ("rw,noexec", "rw", "nfs4", True),
        ("rw,vers=4.2", "rw,vers=4.1", "nfs4", False),
        ("rw,hard", "rw,soft", "nfs", False),
        ("rw,size=1024k", "rw,size=2m", "tmpfs", True),
        ("rw,mode=700", "rw,mode=755", "tmpfs", False),
        ("rw", "ro", "tmpfs", True),
        ("rw", "rw,discard", "ext4", True),
    ],
)
def test_only_flags_of_a_network_file_system_can_be_remounted(was: str, will: str, fstype: str, possible: bool) -> None:
    assert options.can_remount(frozenset(was.split(",")), frozenset(will.split(",")), fstype) is possible


def test_a_remount_says_aloud_what_goes() -> None:
    words = options.for_remount(("defaults", "nodev"), frozenset({"ro", "noexec", "noatime", "nodev"}))
    assert words == ("rw", "exec", "relatime", "nodev")
    assert "relatime" not in options.for_remount(("noatime",), frozenset({"rw"}))
