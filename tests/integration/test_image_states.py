"""`image.present` and `image.absent` with real files, a real HTTP server and the real qemu-img."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modules import _probe, _run, disk, image
from modules._disk import files as disk_files
from modules._disk import notes as disk_notes
from modules._disk.notes import Note
from modules._image import note as image_note
from modules._image import qemu_img
from modules._image import run as image_run
from modules._image.make import Job
from modules._image.qcow2 import BadImage
from modules._image.qemu_img import ImageError, NoSpace
from modules._virt import hypervisor
from modules.cp import NoSuchSource
from saltern.files import LocalFiles
from saltern.marks import permit_acting
from states.disk import absent as disk_absent
from states.disk import present as disk_present
from states.image import absent, present
from tests.integration.hang import silent
from tests.integration.kernel import Node, mount_namespace, needs_root, tool

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]
MIB = 1 << 20


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / "locks"))
    (tmp_path / "store").mkdir()
    hypervisor.library()  # its thread must not begin inside the namespace, which it would hold
    with mount_namespace():
        yield Node(tmp_path)


def sha256(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A qcow2 image with something in it."""
    (tmp_path / "raw").write_bytes(os.urandom(MIB) + bytes(3 * MIB))
    path = tmp_path / "source.qcow2"
    tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "raw"), str(path))
    return path


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture
def served() -> Iterator[dict[str, bytes | Answer]]:
    """What an HTTP server on this machine answers, by path; its address is at ""."""
    pages: dict[str, bytes | Answer] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            if callable(page):
                page(self)
                return
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        pages[""] = f"http://127.0.0.1:{server.server_address[1]}".encode()
        yield pages
        server.shutdown()
        thread.join()


def url(served: dict[str, bytes | Answer], path: str) -> str:
    base = served[""]
    assert isinstance(base, bytes)
    return base.decode() + path


def test_an_image_is_fetched_checked_made_and_then_left_alone(
    node: Node, tmp_path: Path, source: Path, served: dict[str, bytes | Answer]
) -> None:
    served["/a.qcow2"] = source.read_bytes()
    path = tmp_path / "store" / "a.qcow2"
    address = url(served, "/a.qcow2")
    arguments = {"source": address, "source_hash": sha256(source), "user": "nobody", "mode": "0640"}
    assert node.apply(present, str(path), **arguments) == [f"make image {path} of {address}"]
    assert path.read_bytes() == source.read_bytes()
    assert (path.stat().st_mode & 0o7777, path.owner()) == (0o640, "nobody")
    assert sorted(os.listdir(path.parent)) == [".a.qcow2.saltern", "a.qcow2"]
    before = {name: os.stat(path.parent / name).st_mtime_ns for name in os.listdir(path.parent)}
    assert node.apply(present, str(path), **arguments) == []
    assert {name: os.stat(path.parent / name).st_mtime_ns for name in os.listdir(path.parent)} == before
    path.chmod(0o666)
    assert node.apply(present, str(path), **arguments) == [f"set mode 0640 of {path}"]
    with open(path, "r+b") as file:  # its contents drift
        file.seek(0x30000)
        file.write(b"other")
    assert node.apply(present, str(path), **arguments) == [f"replace image {path} of {address}"]
    assert path.read_bytes() == source.read_bytes()
    image_note.remove(str(path))
    assert node.apply(present, str(path), **arguments) == [f"note what {path} was made of"]
    assert node.apply(absent, str(path)) == [f"delete image {path}"]
    assert os.listdir(path.parent) == []


def test_planning_fetches_and_writes_nothing(
    node: Node, tmp_path: Path, source: Path, served: dict[str, bytes | Answer]
) -> None:
    asked: list[str] = []
    served["/a"] = lambda handler: asked.append(handler.path)
    plan = node.plan(present, str(tmp_path / "store/a"), source=url(served, "/a"), source_hash=sha256(source))
    assert len(plan.steps) == 1
    assert (asked, os.listdir(tmp_path / "store")) == ([], [])


def test_an_image_of_the_tree_or_of_the_node_is_converted(node: Node, tmp_path: Path, source: Path) -> None:
    path = tmp_path / "store" / "a.raw"
    arguments = {"source": str(source), "format": "qcow2", "convert_to": "raw"}
    assert node.apply(present, str(path), **arguments) == [f"make image {path} of {source} as raw"]
    assert path.read_bytes() == (tmp_path / "raw").read_bytes()
    assert path.stat().st_blocks * 512 < 3 * MIB  # its zeros are holes
    assert node.apply(present, str(path), **{**arguments, "convert_to": "qcow2"})[0].startswith("replace image")
    found = image.info(str(path))
    assert found is not None
    assert (found.format, found.virtual_size) == ("qcow2", 4 * MIB)
    os.utime(source, ns=(1, 1))
    assert len(node.apply(present, str(path), **{**arguments, "convert_to": "qcow2"})) == 1  # the source is another
    source.write_bytes(b"")
    assert node.apply(present, str(path), **arguments, replace=False) == []


def test_an_image_of_the_tree_is_known_by_the_trees_digest(node: Node, tmp_path: Path, source: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.qcow2").write_bytes(source.read_bytes())
    node.ctx = replace(node.ctx, files=LocalFiles({"base": [str(tmp_path / "other")]}))
    path = tmp_path / "store" / "a"
    assert node.apply(present, str(path), source="salt://a.qcow2") == [f"make image {path} of salt://a.qcow2"]
    assert node.apply(present, str(path), source="salt://a.qcow2", source_hash=sha256(source)) == []
    with pytest.raises(BadImage, match=r"salt://a.qcow2 is not what it should be"):
        node.plan(present, str(path), source="salt://a.qcow2", source_hash="0" * 64)
    with pytest.raises(NoSuchSource, match=r"Did you mean 'a.qcow2'"):
        node.plan(present, str(path), source="salt://b.qcow2")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (["-b", "/etc/passwd", "-F", "raw"], "names the backing file '/etc/passwd'"),
        (["-b", 'json:{"driver":"file","filename":"/etc/passwd"}', "-F", "raw"], "names the backing file 'json:"),
        (["-o", "data_file=DATA,data_file_raw=on"], "names the external data file"),
        (["--object", "secret,id=s,data=abc", "-o", "encrypt.format=aes,encrypt.key-secret=s"], "is encrypted"),
    ],
)
def test_an_image_that_refers_to_something_else_is_refused_with_its_name(
    node: Node, tmp_path: Path, make: list[str], said: str
) -> None:
    evil = tmp_path / "evil.qcow2"
    words = [word.replace("DATA", str(tmp_path / "data")) for word in make]
    tool("qemu-img", "create", "-q", "-u", "-f", "qcow2", *words, str(evil), "1M")
    with pytest.raises(BadImage, match=said):
        node.apply(present, str(tmp_path / "store/a"), source=str(evil))
    with pytest.raises(BadImage, match=said):
        node.apply(present, str(tmp_path / "store/a"), source=str(evil), source_hash=sha256(evil), convert_to="raw")
    assert os.listdir(tmp_path / "store") == []


@pytest.mark.parametrize("format", ["vmdk", "vdi", "vhdx", "qed"])
def test_other_formats_are_refused_by_name(node: Node, tmp_path: Path, format: str) -> None:
    tool("qemu-img", "create", "-q", "-f", format, str(tmp_path / "x"), "1M")
    with pytest.raises(BadImage, match=f"is {format}, and only qcow2 and raw"):
        node.apply(present, str(tmp_path / "store/a"), source=str(tmp_path / "x"))
    assert os.listdir(tmp_path / "store") == []


def test_a_wrong_digest_leaves_the_old_image_and_nothing_else(
    node: Node, tmp_path: Path, source: Path, served: dict[str, bytes | Answer]
) -> None:
    path = tmp_path / "store" / "a"
    node.apply(present, str(path), source=str(source))
    old = path.read_bytes()
    served["/a"] = b"forged" * 1000
    with pytest.raises(BadImage, match="is not what it should be: its sha256 is"):
        node.apply(present, str(path), source=url(served, "/a"), source_hash="sha256:" + "0" * 64)
    assert path.read_bytes() == old
    assert sorted(os.listdir(path.parent)) == [".a.saltern", "a"]


def test_what_a_server_may_do_wrong_is_told(
    node: Node, tmp_path: Path, source: Path, served: dict[str, bytes | Answer]
) -> None:
    def short(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x")

    def elsewhere(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "ftp://127.0.0.1/x")
        handler.end_headers()

    served.update({"/short": short, "/elsewhere": elsewhere})
    for page, said in (
        ("/none", "the server says 404"),
        ("/short", "broke off|ended after 1 of 1000"),
        ("/elsewhere", "leads elsewhere, to 'ftp://127.0.0.1/x'"),
    ):
        with pytest.raises(ImageError, match=said):
            node.apply(present, str(tmp_path / "store/a"), source=url(served, page), source_hash=sha256(source))
    with pytest.raises(ImageError, match=r"can't be fetched: .*refused"):
        node.apply(present, str(tmp_path / "store/a"), source="http://127.0.0.1:1/a", source_hash=sha256(source))
    assert os.listdir(tmp_path / "store") == []


def test_a_full_datastore_is_told_before_anything_is_written(node: Node, tmp_path: Path, source: Path) -> None:
    store = tmp_path / "store"
    tool("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(store))
    with pytest.raises(NoSpace, match=rf"{store}/a: no space: {store} has \d MiB left, and 2 MiB are needed"):
        node.apply(present, str(store / "a"), source=str(source))
    assert os.listdir(store) == []
    tool("mount", "-o", "remount,size=3m", "--", "tmpfs", str(store))
    with pytest.raises(NoSpace, match="no space"):  # it fits, what it is converted to does not
        node.apply(present, str(store / "b"), source=str(source), convert_to="raw")
    assert os.listdir(store) == []


def test_an_image_in_use_or_below_a_disk_is_neither_replaced_nor_deleted(
    node: Node, tmp_path: Path, source: Path
) -> None:
    path = tmp_path / "store" / "a"
    node.apply(present, str(path), source=str(source))
    other = {"source": str(tmp_path / "raw"), "format": "raw"}
    with subprocess.Popen(["qemu-io", "-f", "qcow2", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write(b"info\n")
        user.stdin.flush()
        user.stdout.readline()
        with pytest.raises(ImageError, match="can't be replaced: it is in use"):
            node.plan(present, str(path), **other)
        with pytest.raises(ImageError, match="can't be deleted: it is in use"):
            node.plan(absent, str(path))
        user.stdin.close()
    node.apply(disk_present, str(tmp_path / "store" / "disk"), image=str(path))
    with pytest.raises(ImageError, match=f"can't be deleted: disks stand on it: {path.parent}/disk"):
        node.plan(absent, str(path))
    node.apply(disk_absent, str(tmp_path / "store" / "disk"))
    assert node.apply(present, str(path), **other)[0].startswith("replace image")


def test_what_is_no_file_is_refused(node: Node, tmp_path: Path, source: Path) -> None:
    (tmp_path / "store/a").symlink_to("/etc/passwd")
    with pytest.raises(ImageError, match="is a symbolic link, no image"):
        node.plan(present, str(tmp_path / "store/a"), source=str(source))
    assert node.plan(present, str(tmp_path / "nosuch/a"), source=str(source)).unknown is not None
    assert node.plan(present, "a", source=str(source), datastore=100).unknown is not None
    assert node.plan(present, str(tmp_path / "store/b"), source="/nosuch").unknown == (
        "there is no file /nosuch on this node"
    )


def test_a_datastore_that_stops_answering_is_given_up(
    node: Node, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_run, "START_S", 3.0)
    monkeypatch.setattr(image_run, "CLEAN_S", 0.2)
    monkeypatch.setattr(_run, "ENDED_S", 0.2)
    with silent(tmp_path / "filer"), pytest.raises(ImageError, match="nothing was heard of its making for 3 s"):
        image_run.run(Job(source=str(source), target=str(tmp_path / "filer/a")), str(source))


def test_an_image_below_a_disk_on_a_filer_that_is_away_is_kept(
    node: Node, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_probe, "LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(_probe, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(_probe, "AGAIN_S", 0.3)
    monkeypatch.setattr(_run, "ENDED_S", 0.2)
    upper = str(tmp_path / "filer" / "disk")
    note = Note(path=upper, inode=1, format="qcow2", persistent=False, image=str(source))
    disk_notes.put(disk_files.notes_folder(node.ctx), note)
    with silent(tmp_path / "filer"):
        (listed,) = disk.list_(node.ctx)
        assert "did not answer" in listed["error"]
        with pytest.raises(ImageError, match=f"disks stand on it: {upper}"):
            node.plan(absent, str(source))


def test_what_somebody_left_who_was_killed_is_removed(tmp_path: Path) -> None:
    left, other = tmp_path / f".saltern-{'0' * 16}", tmp_path / ".saltern-mine"
    for folder in (left, other):
        folder.mkdir(mode=0o700)
        (folder / "source").touch()
        os.utime(folder, (1, 1))
    with permit_acting():
        qemu_img.create(str(tmp_path / "x"), "raw", MIB)
    assert sorted(os.listdir(tmp_path)) == [".saltern-mine", "x"]
