"""Files by execution functions, contents as values, paths and modes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import file
from modules._file import contents
from modules._file import owner as file_owner
from modules._file.contents import Contents
from modules._file.safe import UnsafePath, absolute
from saltern.errors import SalternError, TemporaryError
from saltern.marks import permit_acting


@pytest.fixture
def permit() -> Iterator[None]:
    with permit_acting():
        yield


@pytest.mark.usefixtures("permit")
def test_a_file_is_written_read_and_described(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    assert file.write(path, "a", "b\n") == f"Wrote 2 lines to {path!r}"
    file.append(path, "c")
    assert file.read(path) == "a\nb\nc\n"
    assert file.set_mode(path, 600) == "0600"
    stats = file.stats(path)
    assert (stats["mode"], stats["size"], stats["type"]) == ("0600", 6, "file")
    assert file.contains(path, "b")
    assert file.search(path, "^c$")
    assert not file.search(path, "^x")
    assert file.get_hash(path, "md5") == "40c53c58fdafacc83cfff6ee3d2f6d69"
    file.symlink("f", f"{path}.link")
    assert (file.is_link(f"{path}.link"), file.readlink(f"{path}.link")) == (True, "f")
    file.rename(path, f"{path}2")
    assert file.remove(f"{path}2")
    assert not file.remove(f"{path}2")
    file.touch(path)
    file.mkdir(str(tmp_path / "d/e"), mode="0711")
    assert file.readdir(str(tmp_path)) == ["d", "f", "f.link"]
    assert file.get_mode(str(tmp_path / "d/e")) == "0711"


@pytest.mark.usefixtures("permit")
def test_what_can_not_be_done_says_what_and_where(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "pipe")
    acts: list[tuple[Callable[[], object], str]] = [
        (lambda: file.read(f"{tmp_path}/nix"), "nix: No such file"),
        (lambda: file.read(f"{tmp_path}/pipe"), "is a named pipe, not a file"),
        (lambda: file.put(f"{tmp_path}/d", "x"), "is a directory, not a file"),
        (lambda: file.put(f"{tmp_path}/nix/f", "x"), "No such file"),
        (lambda: file.put(f"{tmp_path}/f", "x", user="nobody-here"), "no user 'nobody-here'"),
        (lambda: file.readlink(f"{tmp_path}/d"), "not a symbolic link"),
        (lambda: file.get_hash(f"{tmp_path}/d"), "is a directory"),
        (lambda: file.search("/etc/passwd", "("), "not a regular expression"),
        (lambda: file.symlink("x", f"{tmp_path}/d"), "File exists"),
    ]
    for act, message in acts:
        with pytest.raises(SalternError, match=message):
            act()
    assert sorted(os.listdir(tmp_path)) == ["d", "pipe"]


def test_a_diff_is_unified_shortened_and_never_of_binary_bytes() -> None:
    assert Contents(b"a\n").diff(Contents(b"b")) == ("--- \n+++ \n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n")
    assert Contents(b"a\0").diff(Contents(b"b")) == "Binary files differ"
    assert Contents(b"\xff").diff(Contents(b"b")) == "Binary files differ"
    long = Contents("".join(f"{n}\n" for n in range(2000)).encode()).diff(Contents(b""))
    assert long.count("\n") == contents.DIFF_LINES + 1
    assert long.endswith("... 1603 more lines of this diff are not shown\n")


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_contents_are_equal_when_their_bytes_are(left: bytes, right: bytes) -> None:
    from hashlib import sha256

    known = Contents(digest=sha256(right).hexdigest(), size=len(right))
    assert (Contents(left) == Contents(right)) is (left == right)
    assert (Contents(left) == known) is (left == right)


def test_a_source_that_changes_while_it_is_copied_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("now\n")
    body = Contents(path=str(tmp_path / "f"), digest="0" * 64, size=4)
    with permit_acting(), pytest.raises(TemporaryError, match="changed while it was read"):
        file.put(str(tmp_path / "g"), body)
    assert os.listdir(tmp_path) == ["f"]


@given(st.text(alphabet="/.a~\0", max_size=12))
def test_a_path_is_absolute_and_plain_or_refused(text: str) -> None:
    try:
        path = absolute(text)
    except UnsafePath:
        return
    assert path.startswith("/")
    assert "\0" not in path
    parts = path.split("/")[1:]
    assert path == "/" or all(part not in ("", ".", "..") for part in parts)


@given(st.integers(min_value=0, max_value=0o7777))
def test_every_mode_is_read_back_as_it_was_written(bits: int) -> None:
    for written in (f"{bits:o}", f"{bits:04o}", f"0o{bits:o}", int(f"{bits:o}")):
        assert file_owner.bits(written) == bits
