"""`nfs_export` with the real exportfs(8), in a mount namespace of its own; the kernel's server is played by a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from modules import nfs_export
from modules._exports import ExportError
from saltern.marks import permit_acting
from states.nfs_export import absent, present
from tests.integration.kernel import Node, mount_namespace, needs_root, tool

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(needs_root or which("exportfs") is None, reason="needs root and exportfs"),
]

COMMENTED = "# keep me\n/elsewhere \\\n  h(ro,no_subtree_check)   # me too\n"


@pytest.fixture
def node(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    with mount_namespace(("/etc",), str(tmp_path_factory.mktemp("scratch"))):
        tool("mount", "-t", "tmpfs", "nfs", "/var/lib/nfs")
        Path("/etc/exports").write_text(COMMENTED)
        with open("/etc/hosts", "a") as hosts:
            hosts.write("192.0.2.7 on-node1.example.org on-node1\n192.0.2.8 h\n")
        monkeypatch.setattr(nfs_export, "THREADS", str(tmp_path / "threads"))
        (tmp_path / "a b").mkdir()
        yield Node(tmp_path)


def serve(folder: Path) -> None:
    (folder / "threads").write_text("8\n")


def test_the_file_alone_is_kept_where_no_server_runs(node: Node, tmp_path: Path) -> None:
    path = str(tmp_path / "a b")
    clients = {"192.168.43.0/24": ["rw", "sync", "fsid=0", "no_subtree_check"]}
    assert node.apply(present, path, clients=clients) == [f"write {path} into /etc/exports"]
    escaped = path.replace(" ", "\\040")
    entry = f"{escaped}\t192.168.43.0/24(rw,sync,fsid=0,no_subtree_check)\n"
    assert Path("/etc/exports").read_text() == COMMENTED + entry
    plan = node.plan(present, path, clients=clients)
    assert plan.steps == ()
    assert plan.comment is not None
    assert "no NFS server runs" in plan.comment
    before = os.stat("/etc/exports")
    node.apply(present, path, clients=clients)
    assert os.stat("/etc/exports").st_mtime_ns == before.st_mtime_ns


def test_what_exportfs_made_of_each_kind_of_client_is_what_was_wished(node: Node, tmp_path: Path) -> None:
    serve(tmp_path)
    path = str(tmp_path / "a b")
    clients = {
        "192.168.43.0/24": ["rw", "sync", "fsid=0", "no_subtree_check"],
        "10.0.0.0/255.255.0.0": "ro",
        "on-node1": ["rw", "async", "anonuid=9869", "anongid=9869", "all_squash", "no_wdelay", "nohide", "crossmnt"],
        "*.example.org": ["ro", "insecure", "no_root_squash", "no_acl", "no_auth_nlm", "subtree_check"],
        "@grp": ["rw", "mp=/store", "security_label", "pnfs", "sec=krb5:sys"],
        "*": ["ro", "mountpoint"],
    }
    said = node.apply(present, path, clients=clients)
    assert said == [f"write {path} into /etc/exports", f"export {path} as the file says"]
    assert nfs_export.active()[path].keys() >= {"192.168.43.0/24", "on-node1.example.org"}


def test_drift_of_the_server_is_mended_without_writing_the_file(node: Node, tmp_path: Path) -> None:
    serve(tmp_path)
    path = str(tmp_path / "a b")
    node.apply(present, path, hosts=["10.0.0.0/24"], options=["rw", "sync", "no_subtree_check"])
    before = os.stat("/etc/exports").st_mtime_ns
    for argv in (
        ["-u", f"10.0.0.0/24:{path}"],
        ["-o", "rw,no_root_squash,no_subtree_check", f"10.0.0.0/24:{path}"],
        ["-o", "rw,no_subtree_check", f"h:{path}"],
    ):
        tool("exportfs", *argv)
        said = node.apply(present, path, hosts=["10.0.0.0/24"], options=["rw", "sync", "no_subtree_check"])
        assert said == [f"export {path} as the file says"]
    assert os.stat("/etc/exports").st_mtime_ns == before


def test_an_entry_that_means_the_same_is_left_as_it_is(node: Node, tmp_path: Path) -> None:
    serve(tmp_path)
    path = str(tmp_path / "a b")
    by_hand = f'"{path}" -no_subtree_check 10.0.0.0/255.255.255.0(sync,rw)\n'
    Path("/etc/exports").write_text(by_hand)
    tool("exportfs", "-ra")
    assert node.apply(present, path, clients={"10.0.0.0/24": ["rw", "no_subtree_check"]}) == []
    assert Path("/etc/exports").read_text() == by_hand


def test_absent_takes_the_entry_out_of_file_and_server(node: Node, tmp_path: Path) -> None:
    serve(tmp_path)
    path = str(tmp_path / "a b")
    node.apply(present, path, hosts=["10.0.0.0/24"])
    assert node.apply(absent, path) == [f"remove {path} from /etc/exports", f"no longer export {path}"]
    assert Path("/etc/exports").read_text() == COMMENTED
    assert node.apply(absent, path) == []


def test_an_entry_that_can_not_be_exported_is_told_and_others_are_no_obstacle(node: Node, tmp_path: Path) -> None:
    serve(tmp_path)
    node.apply(present, str(tmp_path / "a b"), hosts=["10.0.0.0/24"])
    with permit_acting(), pytest.raises(ExportError, match=r"^exportfs -ra: exportfs: Failed to stat /elsewhere: No"):
        nfs_export.reload("/elsewhere")
    with permit_acting():
        assert nfs_export.reload(str(tmp_path / "a b"))


def test_a_path_without_clients_is_exported_to_the_world_and_seen(node: Node, tmp_path: Path) -> None:
    path = str(tmp_path / "a b")
    Path("/etc/exports").write_text(f'"{path}"\n')
    assert node.apply(absent, path) == [f"remove {path} from /etc/exports"]


def test_a_missing_directory_is_unknown_until_something_makes_it(node: Node, tmp_path: Path) -> None:
    plan = node.plan(present, str(tmp_path / "none"), hosts=["h"])
    assert plan.unknown == f"there is no directory {tmp_path}/none to export"


def test_an_export_of_another_file_is_refused_with_its_name(node: Node, tmp_path: Path) -> None:
    path = str(tmp_path / "a b")
    os.makedirs("/etc/exports.d", exist_ok=True)
    Path("/etc/exports.d/mine.exports").write_text(f'"{path}" h(ro)\n')
    for state, arguments in ((present, {"hosts": ["h"]}), (absent, {})):
        with pytest.raises(ExportError, match=r"exported by /etc/exports.d/mine.exports too"):
            node.plan(state, path, **arguments)
