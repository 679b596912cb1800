"""Archives: those that lead elsewhere or are broken write nothing, the others come as a whole."""

from __future__ import annotations

import fcntl
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules._archive.members import ArchiveError, Kind, Raw, judged
from modules._archive.place import place
from modules._archive.survey import How, survey
from saltern.marks import permit_acting
from tests.unit.modules.archives import GOOD, Entry, folder, hard, link, tarred, unpack, zipped

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


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("first", [b"", tarfile.TarInfo("a").tobuf()])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes, first: bytes) -> None:
    bomb = tarfile.TarInfo("x")
    bomb.type, bomb.size = kind, 1 << 35
    (tmp_path / "bomb").write_bytes(first + bomb.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(ArchiveError, match="a header of 34359738368 bytes"):
        unpack(str(tmp_path / "bomb"), tmp_path / "dest")


def test_more_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    raw = Raw("big", Kind.FILE, size=1 << 60)
    with permit_acting(), pytest.raises(ArchiveError, match="no room"):
        place(str(tmp_path / "dest"), judged([raw]), lambda raw: iter([b"x"]))
    assert os.listdir(tmp_path) == []


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
