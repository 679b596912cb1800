"""Archives: those that lead elsewhere or are broken write nothing, the others come as a whole."""

from __future__ import annotations

import fcntl
import io
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules import archive
from modules._archive_members import ArchiveError, Kind, Raw, judged
from modules._archive_place import place
from modules._archive_survey import How, survey
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.secret import Secret
from tests.plans import context


class Entry(NamedTuple):
    """A member for an archive to be made."""

    name: str
    body: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644


def folder(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Entry:
    return Entry(name, kind=tarfile.SYMTYPE, target=target, mode=0o777)


def hard(name: str, target: str) -> Entry:
    return Entry(name, kind=tarfile.LNKTYPE, target=target)


def tarred(path: Path, entries: Iterable[Entry], form: str = "") -> str:
    with tarfile.open(path, f"w:{form}", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.mode, info.size = entry.kind, entry.target, entry.mode, len(entry.body)
            info.mtime = 1_000_000_000
            tar.addfile(info, io.BytesIO(entry.body))
    return str(path)


def zipped(path: Path, entries: Iterable[Entry], system: int = 3) -> str:
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO}
    with zipfile.ZipFile(path, "w") as made:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name)
            info.create_system = system
            info.external_attr = (kinds.get(entry.kind, stat.S_IFREG) | entry.mode) << 16
            made.writestr(info, entry.target or entry.body)
    return str(path)


def unpack(path: str, dest: Path, **options: object) -> list[str]:
    with permit_acting():
        return archive.extract(path, str(dest), **options)  # type: ignore[arg-type]


GOOD = (
    folder("./"),
    folder("./app/"),
    Entry("./app/run", b"#!/bin/sh\n", mode=0o777),
    Entry("app/lib/deep/data", b"d" * 3000),
    link("app/current", "lib/deep"),
    link("app/lib/up", "../run"),
    hard("app/again", "app/run"),
)
HOSTILE = {
    "upwards": ([Entry("a/../../x")], "leads upwards"),
    "absolute": ([Entry("/etc/x")], "absolute path"),
    "control": ([Entry("a\x1b[2J")], "control characters"),
    "absolute link": ([link("a", "/etc")], "leads outside"),
    "link upwards": ([folder("d"), link("d/a", "../../x")], "leads outside"),
    "link behind a link": ([link("a/b/l", "../.."), link("x", "a/b/l/../y")], "leads outside"),
    "circle": ([link("a", "b"), link("b", "a")], "in a circle"),
    "below a link": ([link("a", "b"), folder("b"), Entry("a/x")], "which is no folder"),
    "set-uid": ([Entry("a", mode=0o4755)], "set-user-id"),
    "set-gid": ([Entry("a", mode=0o2755)], "set-group-id"),
    "pipe": ([Entry("a", kind=tarfile.FIFOTYPE)], "a device or a pipe"),
    "deep": ([Entry("a/" * 200 + "x")], "too deep"),
    "nothing": ([folder("./")], "nothing in it"),
}
TAR_ONLY = {
    "link first": ([link("a", "b"), Entry("a")], "two different things"),
    "hard link out": ([hard("a", "../../etc/shadow")], "leads upwards"),
    "hard link to nothing": ([hard("a", "etc/shadow")], "no file of the archive"),
    "hard link to a link": ([link("a", "b"), hard("c", "a")], "no file of the archive"),
    "device": ([Entry("a", kind=tarfile.CHRTYPE)], "a device or a pipe"),
}
MAKERS: tuple[tuple[str, Callable[[Path, Iterable[Entry]], str]], ...] = (("tar", tarred), ("zip", zipped))


@pytest.mark.parametrize(
    ("make", "entries", "message"),
    [
        pytest.param(make, entries, message, id=f"{form}: {name}")
        for form, make in MAKERS
        for name, (entries, message) in {**HOSTILE, **(TAR_ONLY if form == "tar" else {})}.items()
    ],
)
def test_an_archive_that_leads_elsewhere_is_refused_before_anything_is_written(
    tmp_path: Path, make: Callable[[Path, Iterable[Entry]], str], entries: list[Entry], message: str
) -> None:
    path = make(tmp_path / "archive", [Entry("first"), *entries] if message != "nothing in it" else entries)
    for dest in (tmp_path / "new", tmp_path / "there"):
        (tmp_path / "there").mkdir(exist_ok=True)
        with pytest.raises(ArchiveError, match=message):
            unpack(path, dest)
    assert sorted(os.listdir(tmp_path)) == ["archive", "there"]
    assert os.listdir(tmp_path / "there") == []


@pytest.mark.parametrize("form", ["", "gz", "bz2", "xz"])
def test_a_tar_comes_whole_with_safe_permissions(tmp_path: Path, form: str) -> None:
    dest = tmp_path / "a/dest"
    found = unpack(tarred(tmp_path / "archive", GOOD, form), dest)
    assert found == [
        "app/",
        "app/again",
        "app/current",
        "app/lib/",
        "app/lib/deep/",
        "app/lib/deep/data",
        "app/lib/up",
        "app/run",
    ]
    assert (dest / "app/run").stat().st_mode & 0o7777 == 0o755
    assert (dest / "app/run").stat().st_mtime == 1_000_000_000
    assert (dest / "app/again").samefile(dest / "app/run")
    assert (dest / "app/current/data").read_bytes() == b"d" * 3000
    assert os.listdir(dest) == ["app"]


def test_a_zip_comes_whole_also_from_other_systems(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z", [folder("app/"), Entry("app/x", b"1", mode=0o755), link("app/l", "x")])
    unpack(path, tmp_path / "dest")
    assert (tmp_path / "dest/app/l").read_bytes() == b"1"
    assert (tmp_path / "dest/app/x").stat().st_mode & 0o777 == 0o755
    unpack(zipped(tmp_path / "dos", [Entry("app\\y", b"2", mode=0)], system=0), tmp_path / "dest")
    assert (tmp_path / "dest/app/y").read_bytes() == b"2"
    with pytest.raises(ArchiveError, match="leads upwards"):
        unpack(zipped(tmp_path / "dos", [Entry("..\\y")], system=0), tmp_path / "dest")


@pytest.mark.parametrize("form", ["", "gz", "xz", "zip"])
def test_an_archive_that_is_cut_off_leaves_all_as_it_was(tmp_path: Path, form: str) -> None:
    entries = [Entry("a/one", os.urandom(700)), Entry("a/two", os.urandom(700))]
    archived = tmp_path / "archive"
    whole = Path(zipped(archived, entries) if form == "zip" else tarred(archived, entries, form))
    data = whole.read_bytes()
    used = len(data.rstrip(b"\0")) if form == "" else len(data)
    dest = tmp_path / "dest"
    dest.mkdir()
    for end in range(0, used, max(1, used // 25)):
        whole.write_bytes(data[:end])
        with pytest.raises(ArchiveError):
            unpack(str(whole), dest)
        assert os.listdir(dest) == []


def test_a_file_that_is_not_what_its_checksum_says_leaves_all_as_it_was(tmp_path: Path) -> None:
    path = Path(zipped(tmp_path / "z", [Entry("a/one", b"first"), Entry("a/two", b"second")]))
    path.write_bytes(path.read_bytes().replace(b"second", b"secret", 1))
    dest = tmp_path / "dest"
    (dest / "a").mkdir(parents=True)
    (dest / "a/one").write_text("old")
    with pytest.raises(ArchiveError, match="CRC"):
        unpack(str(path), dest)
    assert os.listdir(dest) == ["a"]
    assert os.listdir(dest / "a") == ["one"]
    assert (dest / "a/one").read_text() == "old"


def test_what_is_there_and_not_in_the_archive_stays_and_nothing_is_followed(tmp_path: Path) -> None:
    dest, outside = tmp_path / "dest", tmp_path / "outside"
    (dest / "app/own").mkdir(parents=True)
    (dest / "app").chmod(0o1777)
    outside.mkdir()
    (outside / "run").write_text("precious")
    path = tarred(tmp_path / "archive", GOOD)
    (dest / "app/lib").symlink_to(outside)
    with pytest.raises(ArchiveError, match="lib is there and is a symbolic link; `force: True`"):
        unpack(path, dest)
    assert sorted(os.listdir(dest / "app")) == ["lib", "own"]
    unpack(path, dest, force=True)
    assert sorted(os.listdir(dest / "app")) == ["again", "current", "lib", "own", "run"]
    assert (dest / "app").stat().st_mode & 0o7777 == 0o1777
    assert os.listdir(outside) == ["run"]
    assert not (dest / "app/lib").is_symlink()


def test_what_another_run_is_at_is_left_alone(tmp_path: Path) -> None:
    others = tmp_path / "dest/.saltern-unpacking.0123456789abcdef"
    others.mkdir(parents=True)
    held = os.open(others, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        unpack(tarred(tmp_path / "archive", GOOD), tmp_path / "dest")
        assert sorted(os.listdir(tmp_path / "dest")) == [others.name, "app"]
    finally:
        os.close(held)


def test_what_a_killed_run_left_is_gone_after_the_next(tmp_path: Path) -> None:
    left = tmp_path / "dest/.saltern-unpacking.0123456789abcdef"
    (left / "x").mkdir(parents=True)
    unpack(tarred(tmp_path / "archive", GOOD), tmp_path / "dest")
    assert os.listdir(tmp_path / "dest") == ["app"]


def test_folders_are_taken_off_the_front_of_names_and_of_hard_links(tmp_path: Path) -> None:
    path = tarred(tmp_path / "archive", [*GOOD, Entry("README")])
    unpack(path, tmp_path / "dest", strip_components=1)
    assert sorted(os.listdir(tmp_path / "dest")) == ["again", "current", "lib", "run"]
    with pytest.raises(ArchiveError, match="nothing in it below the folders"):
        unpack(path, tmp_path / "dest", strip_components=9)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x28\xb5\x2f\xfd" + b"x" * 600, "it is zstd; tar"),
        (b"Rar!" + b"x" * 600, "it is rar"),
        (b"hello", "no archive that is known here"),
        (b"", "no archive that is known here"),
        (b"PK\5\6" + b"x" * 600, "broken or cut off|no archive that is known here"),
    ],
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ArchiveError, match=message):
        survey(str(tmp_path / "x"), How())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="not a file"):
        survey(str(tmp_path / "pipe"), How())


def test_more_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    raw = Raw("big", Kind.FILE, size=1 << 60)
    with permit_acting(), pytest.raises(ArchiveError, match="no room"):
        place(str(tmp_path / "dest"), judged([raw]), lambda raw: iter([b"x"]))
    assert os.listdir(tmp_path) == []


def test_functions_list_make_and_unpack_archives(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    tarred(tmp_path / "tree/good.tar", GOOD)
    plain = archive.list_(ctx, "salt://good.tar")
    assert isinstance(plain, list)
    assert plain[:2] == ["app/", "app/again"]
    by_kind = archive.list_(ctx, "salt://good.tar", verbose=True)
    assert isinstance(by_kind, dict)
    assert by_kind["links"] == ["app/current", "app/lib/up"]
    assert (by_kind["top_level_dirs"], by_kind["top_level_files"]) == (["app/"], [])
    with pytest.raises(SalternError, match="no file"):
        archive.list_(ctx, "salt://none.tar")
    unpack(str(tmp_path / "tree/good.tar"), tmp_path / "work")
    with permit_acting():
        assert "app/run" in archive.zip_(str(tmp_path / "a.zip"), "app", cwd=str(tmp_path / "work"))
        assert "app/lib/deep/data" in archive.unzip(str(tmp_path / "a.zip"), str(tmp_path / "b"))
        assert archive.unzip(str(tmp_path / "a.zip"), str(tmp_path / "b"), trim_output=1) == ["app/"]
        assert "app/run" in archive.tar("czvf", str(tmp_path / "c.tgz"), ["app"], cwd=str(tmp_path / "work"))
        os.mkdir(tmp_path / "d")
        archive.tar("-x -f", str(tmp_path / "c.tgz"), dest=str(tmp_path / "d"))
        archive.gunzip(str(tmp_path / "c.tgz"))
        archive.gzip(str(tmp_path / "c.tar"), "-9")
        with pytest.raises(ArchiveError, match="gzip ended with"):
            archive.gzip(str(tmp_path / "none"))
        with pytest.raises(ArchiveError, match="relative path"):
            archive.zip_(str(tmp_path / "x.zip"), ["app"])
    assert (tmp_path / "d/app/run").read_bytes() == (tmp_path / "b/app/run").read_bytes() == b"#!/bin/sh\n"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "b", "c.tar.gz", "d", "tree", "work"]


def test_a_zip_that_wants_a_password_is_known_and_opened_with_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "z"
    path.write_bytes(encrypted("app/x", b"hidden", b"sesame"))
    assert archive.is_encrypted(context(tmp_path), str(path))
    assert not archive.is_encrypted(context(tmp_path), zipped(tmp_path / "open", [Entry("a")]))
    for wrong in (None, Secret("wrong")):
        with pytest.raises(ArchiveError, match="password"):
            unpack(str(path), tmp_path / "dest", password=wrong)
    unpack(str(path), tmp_path / "dest", password=Secret("sesame"))
    assert (tmp_path / "dest/app/x").read_bytes() == b"hidden"


def encrypted(name: str, body: bytes, password: bytes) -> bytes:
    """A zip archive of one file, stored, and encrypted by the old way of zip (APPNOTE.TXT, 6.1)."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def stirred(byte: int) -> None:
        keys[0] = zlib.crc32(bytes([byte]), keys[0] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = zlib.crc32(bytes([keys[1] >> 24]), keys[2] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    for byte in password:
        stirred(byte)
    sealed, check = bytearray(), zlib.crc32(body)
    for byte in bytes(11) + bytes([check >> 24]) + body:
        mixed = keys[2] | 2
        sealed.append(byte ^ ((mixed * (mixed ^ 1)) >> 8 & 0xFF))
        stirred(byte)
    both = struct.pack("<5H3I2H", 20, 1, 0, 0, 0x21, check, len(sealed), len(body), len(name), 0)
    local = b"PK\3\4" + both + name.encode() + sealed
    central = b"PK\1\2" + struct.pack("<H", 20) + both + struct.pack("<3H2I", 0, 0, 0, 0, 0) + name.encode()
    return local + central + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(local), 0)


NAMES = st.sampled_from(["a", "b", "c", "a/b", "a/c", "b/a", "a/b/c", "c/a/b"])
TARGETS = st.lists(st.sampled_from(["..", ".", "a", "b", "c"]), min_size=1, max_size=5).map("/".join)
RAWS = st.lists(
    st.one_of(
        st.builds(lambda name: Raw(name, Kind.FOLDER), NAMES),
        st.builds(lambda name, target: Raw(name, Kind.LINK, target=target), NAMES, TARGETS),
    ),
    min_size=1,
    max_size=6,
)


@given(RAWS)
@settings(deadline=None)
def test_no_link_of_an_archive_that_is_unpacked_leads_out(raws: list[Raw]) -> None:
    try:
        members = [member for member, _ in judged(raws).values()]
    except ArchiveError:
        return
    with tempfile.TemporaryDirectory() as place:
        root = os.path.realpath(place) + "/x/y"
        os.makedirs(root)
        for member in sorted(members, key=lambda member: member.kind is Kind.LINK):
            if member.kind is Kind.FOLDER:
                os.mkdir(f"{root}/{member.path}")
            else:
                os.symlink(member.target, f"{root}/{member.path}")
        for member in members:
            real = os.path.realpath(f"{root}/{member.path}")
            assert real == root or real.startswith(root + "/"), (member, real)


CHANGES = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    good_zip = [Entry("app/x", b"1" * 300), link("app/l", "x")]
    paths = {
        "tar": tarred(folder / "t", GOOD),
        "gz": tarred(folder / "g", GOOD, "gz"),
        "zip": zipped(folder / "z", good_zip),
    }
    return {form: Path(path).read_bytes() for form, path in paths.items()}


@given(st.sampled_from(["tar", "gz", "zip"]), CHANGES)
@settings(deadline=None, max_examples=60)
def test_an_archive_with_wrong_bytes_comes_whole_or_is_refused_in_words(
    whole: dict[str, bytes], form: str, changed: list[tuple[int, int]]
) -> None:
    data = bytearray(whole[form])
    for index, byte in changed:
        data[index % len(data)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        try:
            came = unpack(str(path), Path(folder, "dest"))
        except ArchiveError:
            assert os.listdir(folder) == ["archive"]
        else:
            assert all(os.path.lexists(f"{folder}/dest/{name}") for name in came)
