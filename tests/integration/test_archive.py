"""Archives unpacked by a state, through the command: once, as a whole, and verified."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from modules import archive as module
from modules._archive.members import ArchiveError
from modules._file.safe import UnsafePath
from saltern.converge.compare import differences
from saltern.marks import permit_acting
from states import archive
from tests.integration.commands import run
from tests.plans import context, converge

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY = 65534


def packed(path: Path, **files: str) -> str:
    """A tar file PATH with these FILES below `app-1/`; its SHA-256."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"app-1/{name.replace('_', '/')}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Node:
    """The command with a tree of its own, and the place to unpack to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree, self.dest = folder, folder / "tree", folder / "opt"
        self.tree.mkdir()

    def apply(self, options: str, *words: str, source: str = "salt://app.tgz", code: int = 0) -> dict[str, Any]:
        """The result of `archive.extracted` with these OPTIONS."""
        text = f"{self.dest}:\n  archive.extracted:\n    - source: {source}\n"
        text += "".join(f"    - {option}\n" for option in options.split(", ") if option)
        (self.tree / "app.sls").write_text(text)
        where = ("--file-root", str(self.tree), "--id", "web1", "--out", "json")
        ran = run("saltern-call", self.folder / "root", "--local", *where, "state.apply", "app", *words)
        assert ran.code == code, ran.text
        (result,) = ran.returns["local"].values()
        assert isinstance(result, dict)
        return result

    def changes(self, options: str, *words: str, source: str = "salt://app.tgz") -> Any:
        """The changes of `apply`."""
        return self.apply(options, *words, source=source)["changes"]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path)
    packed(made.tree / "app.tgz", run="one\n", etc_conf="two\n")
    return made


ALL = "+ app-1/\n+ app-1/etc/\n+ app-1/etc/conf\n+ app-1/run\n"


def test_an_archive_comes_once_and_again_where_a_path_is_missing(node: Node) -> None:
    assert node.changes("", "test=True") == {"diff": ALL}
    assert not node.dest.exists()
    assert node.changes("") == {"diff": ALL}
    assert node.changes("") == {}
    (node.dest / "app-1/run").write_text("edited\n")
    (node.dest / "app-1/etc/conf").unlink()
    assert node.changes("") == {"diff": "+ app-1/etc/conf\n"}
    assert (node.dest / "app-1/run").read_text() == "one\n"


def test_what_was_unpacked_has_the_owner_that_is_wished(tmp_path: Path) -> None:
    ctx, dest = context(tmp_path), tmp_path / "new/opt"
    packed(tmp_path / "tree/app.tgz", run="one\n", etc_conf="two\n")
    wanted: dict[str, Any] = {"source": "salt://app.tgz", "user": "nobody", "group": "nogroup"}
    converge(archive.extracted, ctx, str(dest), **wanted)
    for path in (dest.parent, dest, dest / "app-1/etc", dest / "app-1/etc/conf"):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
    os.chown(dest / "app-1/run", 0, 0)
    (dest / "app-1/etc/conf").write_text("edited\n")
    plan = converge(archive.extracted, ctx, str(dest), **wanted)
    assert [step.sentence for step in plan.steps] == [f"set user nobody, group nogroup of 1 paths below {dest}"]
    assert differences(plan.current, plan.wish) == {"user": ("root", "nobody"), "group": ("root", "nogroup")}
    assert (dest / "app-1/etc/conf").read_text() == "edited\n"


def test_wrong_arguments_are_told_before_anything_runs(node: Node) -> None:
    wrong = ("options: --to-command=rm", "archive_format: rar", "if_missing: app")
    text = "".join(
        f"/opt/{number}:\n  archive.extracted:\n    - source: salt://app.tgz\n    - {one}\n"
        for number, one in enumerate(wrong)
    )
    (node.tree / "app.sls").write_text(text)
    ran = run("saltern-call", node.folder / "root", "--local", "--file-root", str(node.tree), "state.apply", "app")
    assert ran.code != 0
    for line, message in ((4, "'--to-command=rm' is not one"), (8, "'rar' can't be unpacked"), (12, "not an absolute")):
        assert any(f"app.sls:{line}:" in said and message in said for said in ran.text.splitlines()), ran.text


@pytest.fixture
def server(node: Node) -> Iterator[tuple[str, list[str]]]:
    """A web server for the tree, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            asked.append(self.path)

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(node.tree)))
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}/app.tgz", asked
    served.shutdown()
    served.server_close()
    thread.join()


def test_an_archive_from_a_url_is_fetched_once(node: Node, server: tuple[str, list[str]]) -> None:
    url, asked = server
    digest = hashlib.sha256((node.tree / "app.tgz").read_bytes()).hexdigest()
    options = f"source_hash: sha256={digest}, keep_source: false"
    assert node.changes(options, source=url) == {"diff": ALL}
    assert node.changes(options, source=url) == {}
    assert asked == ["/app.tgz"]
    assert os.listdir(node.folder / "root/var/cache/saltern/downloads") == []
    wrong = node.apply(f"source_hash: sha256={'0' * 64}", source=url, code=1)
    assert "is not what was meant" in wrong["comment"]


def test_another_file_system_below_the_place_is_told_before_anything_is_written(node: Node) -> None:
    mounted = node.dest / "app-1/etc"
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(mounted)], check=True)
    try:
        assert f"another file system is mounted at {mounted}" in node.apply("", code=1)["comment"]
        assert sorted(os.listdir(node.dest / "app-1")) == ["etc"]
        assert os.listdir(mounted) == []
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_link_that_another_user_made_leads_no_archive_astray(tmp_path: Path) -> None:
    victim, theirs = tmp_path / "victim", tmp_path / "theirs"
    for folder in (victim, theirs):
        folder.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    packed(tmp_path / "app.tgz", run="one\n")
    for name, target in (("opt", victim), ("app-1", victim)):
        (theirs / name).symlink_to(target)
        os.lchown(theirs / name, NOBODY, NOBODY)
    with permit_acting():
        for dest in (theirs / "opt", theirs / "opt/deeper"):
            with pytest.raises(UnsafePath, match="'opt' is a symbolic link that user nobody made"):
                module.extract(str(tmp_path / "app.tgz"), str(dest))
        with pytest.raises(ArchiveError, match="app-1 is there and is a symbolic link"):
            module.extract(str(tmp_path / "app.tgz"), str(theirs))
        module.extract(str(tmp_path / "app.tgz"), str(theirs), force=True)
    assert (theirs / "app-1/run").read_text() == "one\n"
    assert os.listdir(victim) == []
