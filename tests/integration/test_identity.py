"""Disks and images where root is refused, as on an NFS server that squashes it.

Here root gives up, for one thread, the capabilities that let it into everything (capabilities(7)), and the local file
system counts as NFS. The lab has the real thing.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from modules import _run, disk, file, image
from modules._disk import files as disk_files
from modules._file import identity
from modules._file.identity import IdentityError
from modules._image import make as image_make
from modules._image import note as image_note
from modules._image import qemu_img
from modules._image.make import Job
from modules._image.qemu_img import ImageError
from saltern.marks import permit_acting
from states.disk import absent, present
from tests.integration.kernel import Node, needs_root
from tests.integration.test_disk import qemu_with
from tests.patience import WAIT_S

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]
M = 1 << 20
ROOT = Path(__file__).parents[2]
OWNER = 59869
GIVEN_UP = sum(1 << number for number in (0, 1, 2, 3))  # CAP_CHOWN, _DAC_OVERRIDE, _DAC_READ_SEARCH, _FOWNER


def refused(test: Callable[..., None]) -> Callable[..., None]:
    """Run TEST in a thread without these capabilities; a thread, since they don't come back."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        said: list[BaseException] = []

        def body() -> None:
            try:
                give_up()
                test(*args, **kwargs)
            except BaseException as error:  # for the thread that pytest knows
                said.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if said:
            raise said[0]

    return run


def give_up() -> None:
    """capset(2) with the version of 64 bits: of the low 32, for this thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; low, then high
    assert libc.capget(head, sets) == 0
    sets[0] &= ~GIVEN_UP
    sets[1] &= ~GIVEN_UP
    assert libc.capset(head, sets) == 0, os.strerror(ctypes.get_errno())


def who() -> tuple[int, int]:
    """User and group of this thread for file accesses."""
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    found = {line.partition(":")[0]: line.split() for line in lines}
    return int(found["Uid"][4]), int(found["Gid"][4])


@pytest.fixture(name="store")
def _store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of another user, which that user can reach."""
    folder = tempfile.mkdtemp(dir="/tmp")  # pytest's own folders let nobody else in
    os.chmod(folder, 0o711)
    store = Path(folder, "store")
    store.mkdir()
    os.chown(store, OWNER, OWNER)
    fd = os.open(store, os.O_RDONLY)
    monkeypatch.setattr(identity, "TYPES", frozenset({identity._type(fd)}))
    os.close(fd)
    yield store
    shutil.rmtree(folder)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def owned(path: Path) -> tuple[int, int, int]:
    found = identity.status(str(path))
    return found.st_uid, found.st_gid, found.st_mode & 0o7777


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_disk_is_made_held_grown_and_deleted_as_its_owner(node: Node, store: Path, mode: int) -> None:
    store.chmod(mode)

    @refused
    def body() -> None:
        base, path = store / "base.qcow2", store / "d.qcow2"
        with pytest.raises(PermissionError):
            (store / "x").touch()
        with permit_acting():
            qemu_img.create(str(base), "qcow2", 4 * M)
        wish: dict[str, Any] = {"image": str(base), "size": "8M", "user": str(OWNER), "group": str(OWNER)}
        assert len(node.apply(present, str(path), **wish)) == 1
        assert owned(path) == (OWNER, OWNER, 0o600)
        with pytest.raises(PermissionError):
            path.read_bytes()
        assert node.apply(present, str(path), **wish) == []
        assert disk.overlays_of(node.ctx, str(base)) == [str(path)]
        with identity.writing(str(path)):
            path.chmod(0o640)
        assert node.apply(present, str(path), **{**wish, "size": "16M"}) == [
            f"grow disk {path} from 8 MiB to 16 MiB",
            f"set mode 0600 of {path}",
        ]
        assert node.apply(absent, str(path)) == [f"delete disk {path}"]
        with permit_acting():
            image.remove(str(base))
        assert who() == (0, 0)

    body()
    assert list(store.iterdir()) == []


def test_a_disk_that_only_its_owner_reads_is_seen_to_be_in_use(store: Path) -> None:
    path = store / "d.qcow2"
    with permit_acting():
        qemu_img.create(str(path), "qcow2", M)
    os.chown(path, OWNER, OWNER)
    path.chmod(0o600)
    look = refused(lambda used: _same(disk.in_use(str(path)), used))
    look(False)
    with qemu_with(path):
        look(True)


def _same(one: object, other: object) -> None:
    assert one == other


@refused
def test_an_image_is_made_of_what_root_alone_reads_and_noted(store: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "source", store / "i.qcow2"
    source.write_bytes(b"the system" + bytes(M - 10))
    source.chmod(0o600)
    job = Job(source=str(source), target=str(target), format="raw", convert_to="qcow2", mode=0o600, origins=("mine",))
    with permit_acting():
        image_make.make(job, lambda mark: None)
    assert owned(target) == (OWNER, OWNER, 0o600)
    note = image_note.find(str(target), identity.status(str(target)))
    assert note is not None
    assert note.origins[0] == "mine"
    with pytest.raises(ImageError, match=rf"{target} can't be made: {source} can't be read by {OWNER}"):
        convert(source, target)
    with identity.reading(str(target)):
        assert sorted(os.listdir(store)) == [".i.qcow2.saltern", "i.qcow2"]


def convert(source: Path, target: Path) -> None:
    with permit_acting():
        qemu_img.convert(str(source), "raw", str(target), "qcow2", replace=True)


FRESH = """\
import sys
from modules._file import identity
from modules._image import make, qemu_img
from modules._image.make import Job
from saltern.marks import permit_acting
from tests.integration.test_identity import give_up

class Told:
    def find_spec(self, name, path=None, target=None):
        if identity.current() is not None:
            print("imported as the owner:", name)

identity.TYPES = frozenset({int(sys.argv[1])})
give_up()
for name in [name for name in sys.modules if name.partition(".")[0] in ("subprocess", "hashlib", "signal", "http")]:
    del sys.modules[name]  # what the tests needed
sys.meta_path.insert(0, Told())
with permit_acting():
    make.make(Job(source="/etc/passwd", target=sys.argv[2], format="raw", convert_to="qcow2"), lambda mark: None)
    qemu_img.resize(sys.argv[2], "qcow2", 1 << 30)
"""


def test_nothing_is_imported_as_the_owner_who_may_not_see_our_folders(store: Path) -> None:
    (type_,) = identity.TYPES
    words = [sys.executable, "-c", FRESH, str(type_), str(store / "i")]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False, cwd=ROOT)
    assert (ran.stdout, ran.stderr) == ("", "")
    assert owned(store / "i")[0] == OWNER


@refused
def test_what_is_made_there_is_given_to_nobody_else(store: Path) -> None:
    said = rf"can't be given to root:root: its server lets only {OWNER} write there"
    job = Job(source="/etc/passwd", target=str(store / "i"), format="raw", uid=0, gid=0)
    with permit_acting(), pytest.raises(ImageError, match=said):
        image_make.make(job, lambda mark: None)
    with identity.reading(str(store)):
        assert os.listdir(store) == []


@refused
def test_programs_run_as_the_owner_and_other_threads_as_before(store: Path) -> None:
    seen: list[tuple[int, int]] = []
    started, go = threading.Event(), threading.Event()

    def other() -> None:
        started.set()
        go.wait()
        seen.append(who())

    thread = threading.Thread(target=other)
    thread.start()
    started.wait()
    with identity.within(str(store)):
        go.set()
        thread.join()
        assert who() == (OWNER, OWNER)
        assert _run.run(["id"]).out == f"uid={OWNER} gid={OWNER} groups={OWNER}\n"
        with identity.reading("/etc/passwd"):
            assert who() == (0, 0)
        with identity.within(str(store)), identity.as_myself():
            assert who() == (0, 0)
        assert who() == (OWNER, OWNER)
    assert (who(), seen) == ((0, 0), [(0, 0)])
    assert _run.run(["id", "-u"]).out == "0\n"


@refused
def test_an_error_within_ends_it(store: Path) -> None:
    with pytest.raises(ValueError, match="x"), identity.within(str(store)):
        raise ValueError("x")
    assert (who(), identity.current()) == ((0, 0), None)


def test_root_stays_root_where_it_is_let_in(store: Path) -> None:
    path = store / "d"
    with identity.within(str(store)), identity.writing(str(path)):
        assert who() == (0, 0)
        path.touch(0o600)
    with identity.reading(str(path)):
        assert who() == (0, 0)
    assert owned(path)[0] == 0


def test_on_a_local_file_system_nobody_is_taken_on(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "TYPES", frozenset({0x6969}))

    @refused
    def body() -> None:
        with identity.within(str(store)):
            assert who() == (0, 0)
        with permit_acting(), pytest.raises(ImageError, match="where an NFS server squashes root, the directory must"):
            qemu_img.create(str(store / "d"), "raw", M)

    body()


def test_a_directory_that_is_open_to_everybody_is_refused(store: Path) -> None:
    inner = store / "inner"
    inner.mkdir()
    inner.chmod(0o777)
    os.chown(inner, OWNER, OWNER)
    store.chmod(0o700)

    @refused
    def body() -> None:
        with permit_acting(), pytest.raises(IdentityError, match=rf"{inner} is refused: everybody may"):
            qemu_img.create(f"{inner}/d", "raw", M)

    body()


@refused
def test_attributes_and_digests_of_what_the_owner_alone_reads(store: Path) -> None:
    path = store / "f"
    with identity.within(str(store)):
        path.write_bytes(b"")
        path.chmod(0o600)
    with permit_acting():
        assert file.get_hash(str(path), "md5") == "d41d8cd98f00b204e9800998ecf8427e"
        assert disk_files.set_owner(str(path), user=OWNER, mode="0640")
        with pytest.raises(file.FileError, match="Operation not permitted"):
            disk_files.set_owner(str(path), user="root")
    assert owned(path) == (OWNER, OWNER, 0o640)
