"""Reading mountinfo and naming mount units."""

from __future__ import annotations

import subprocess
from shutil import which

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules._mount.table import Live, bound, escaped, holder, on_top, parse, unescaped, unit_name
from tests.patience import WAIT_S

TEXT = r"""22 27 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
90 27 0:55 / /var/lib/one/datastores/100 rw,relatime shared:60 - nfs4 on-filer1:/images rw,vers=4.2,rsize=262144,hard
91 27 0:56 /sub\040dir /mnt/a\040b\134c\012d ro,relatime master:3 propagate_from:2 - tmpfs none\040x rw,size=1024k
92 27 0:57 / /mnt/a\040b\134c\012d rw - tmpfs top rw
"""


def test_each_mount_is_read_with_the_options_of_mount_and_file_system() -> None:
    mounts = parse(TEXT)
    assert mounts[2] == Live(
        "/var/lib/one/datastores/100",
        "on-filer1:/images",
        "nfs4",
        frozenset({"rw", "relatime", "vers=4.2", "rsize=262144", "hard"}),
        "/",
        "0:55",
    )
    assert (mounts[3].target, mounts[3].root, mounts[3].device) == ("/mnt/a b\\c\nd", "/sub dir", "none x")


def test_a_mount_that_is_read_only_by_either_is_read_only() -> None:
    assert {"ro", "rw"} & parse(TEXT)[3].options == {"ro"}


RECORDED = r"""100 1 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/l\040one:/l2,upperdir=/u\054x,xino=off
101 100 8:1 / /srv rw shared:1 - ext4 /dev/sda1 rw
102 101 8:1 /store/one /srv/x rw - ext4 /dev/sda1 rw
103 102 0:70 / /srv/x rw - tmpfs second rw
104 101 0:71 / /srv/y/z rw - tmpfs hidden rw
105 101 0:72 / /srv/y rw - tmpfs above rw
106 100 0:73 / /auto rw,relatime - autofs systemd-1 rw,fd=44,direct
107 100 0:74 / /auto2 rw,relatime - autofs systemd-1 rw,fd=45,direct
108 107 0:75 / /auto2 rw,relatime - nfs4 filer:/x rw,vers=4.2
109 100 8:1 /dead//deleted /gone rw - ext4 /dev/sda1 rw
not a mount
"""


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/", "overlay"),
        ("/srv", "/dev/sda1"),
        ("/srv/x", "second"),
        ("/srv/y", "above"),
        ("/srv/y/z", None),
        ("/srv/x/y", None),
        ("/auto", None),
        ("/auto2", "filer:/x"),
        ("/srvx", None),
    ],
)
def test_what_is_mounted_is_found_as_the_kernel_walks_the_path(path: str, device: str | None) -> None:
    found = on_top(parse(RECORDED), path)
    assert (found.device if found else None) == device


def test_options_of_an_overlay_keep_their_blanks_and_commas() -> None:
    shown = parse(RECORDED)[0].options
    assert {"lowerdir=/l one:/l2", "upperdir=/u,x", "rw", "xino=off"} <= shown


def test_a_line_that_is_no_mount_is_left_out() -> None:
    assert len(parse(RECORDED)) == 10


def test_under_a_root_that_is_no_mount_the_others_are_found() -> None:
    mounts = parse("50 49 0:5 / /a rw - tmpfs x rw\n51 50 0:6 / /a/b rw - tmpfs y rw\n")
    assert holder(mounts, "/c") is None
    assert bound(mounts, "/c/d") == ("", "/c/d")
    assert [on_top(mounts, place) is not None for place in ("/a", "/a/b", "/b")] == [True, True, False]


def test_the_last_mount_at_a_place_is_on_top() -> None:
    top = on_top(parse(TEXT), "/mnt/a b\\c\nd")
    assert top is not None
    assert top.device == "top"
    assert on_top(parse(TEXT), "/mnt") is None


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    parse(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_what_is_escaped_reads_as_it_was_and_is_one_field(word: str) -> None:
    assert unescaped(escaped(word)) == word
    assert not set(escaped(word)) & set(' \t\n#"')


def test_bytes_in_octal_are_utf_8() -> None:
    assert unescaped(r"\303\251\040é") == "é é"


def test_a_bind_mount_is_known_by_device_and_root() -> None:
    mounts = parse(TEXT)
    assert bound(mounts, "/var/lib/one/datastores/100/x") == ("0:55", "/x")
    assert bound(mounts, "/srv") == ("254:1", "/srv")
    assert bound(parse(RECORDED), "/srv/y/q") == ("0:72", "/q")
    assert bound(parse(RECORDED)[:3], "/srv/x/q") == ("8:1", "/store/one/q")
    assert bound(parse(RECORDED), "/") == ("0:60", "/")


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/", "-.mount"),
        ("/var/lib/one/datastores/100", "var-lib-one-datastores-100.mount"),
        ("/srv/a-b c", r"srv-a\x2db\x20c.mount"),
        ("/.hidden/.x", r"\x2ehidden-.x.mount"),
        ("/é", r"\xc3\xa9.mount"),
    ],
)
def test_a_unit_is_named_after_its_path(path: str, unit: str) -> None:
    assert unit_name(path) == unit


PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda part: part not in (".", "..")
)


@pytest.mark.skipif(which("systemd-escape") is None, reason="needs systemd-escape")
@settings(max_examples=15)
@given(st.lists(st.lists(PARTS, min_size=1, max_size=4).map(lambda p: "/" + "/".join(p)), min_size=1, max_size=30))
def test_units_are_named_as_systemd_names_them(paths: list[str]) -> None:
    argv = ["systemd-escape", "--path", "--suffix=mount", "--", *paths]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout
    assert [unit_name(path) for path in paths] == said.rstrip("\n").split(" ")
