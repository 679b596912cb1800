"""What functions tell of grains, pillar, settings, the tree and themselves."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from modules import config, cp, grains, pillar, saltutil, sys_, test
from modules._file import safe
from saltern.context import Context
from saltern.errors import SalternError, TemporaryError
from saltern.marks import permit_acting
from tests.plans import context


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    found = context(
        tmp_path,
        grains={"os": "Debian", "os_family": "Debian", "roles": ["web"], "ip4": {"eth0": ["10.0.0.1"]}},
        pillar={"net": {"mtu": 1500, "bridges": ["br0"]}},
    )
    (tmp_path / "tree/net").mkdir()
    for name in ("top.sls", "net/init.sls", "net/vlan.sls", "net/motd"):
        (tmp_path / "tree" / name).write_text(f"# {name}\n")
    return found


@pytest.fixture
def permit() -> Iterator[None]:
    with permit_acting():
        yield


def test_grains_are_told_by_nested_key(ctx: Context) -> None:
    assert grains.get(ctx, "ip4:eth0:0") == "10.0.0.1"
    assert grains.get(ctx, "nix", "default") == "default"
    assert grains.item(ctx, "os", "nix") == {"os": "Debian", "nix": ""}
    assert grains.ls(ctx) == ["ip4", "os", "os_family", "roles"]
    assert grains.has_value(ctx, "roles")
    assert not grains.has_value(ctx, "nix")
    assert grains.equals(ctx, "os", "Debian")


def test_filter_by_takes_the_first_match_over_base_and_under_merge(ctx: Context) -> None:
    table = {"Deb*": {"pkg": "nfs-common", "a": {"x": 1}}, "default": {"pkg": "nfs", "a": {"y": 2}}}
    assert grains.filter_by(ctx, table)["pkg"] == "nfs-common"
    assert grains.filter_by(ctx, table, grain="nix")["pkg"] == "nfs"
    assert grains.filter_by(ctx, table, base="default", merge={"pkg": "mine"}) == {"pkg": "mine", "a": {"x": 1, "y": 2}}


@pytest.mark.usefixtures("permit")
def test_static_grains_are_written_to_their_file(ctx: Context, tmp_path: Path) -> None:
    file = tmp_path / "root/etc/saltern/grains"
    assert grains.setval(ctx, "site:rack", 4) == {"site:rack": 4}
    grains.setvals(ctx, {"site:row": "b", "tags": ["a"]})
    grains.append(ctx, "tags", ["b", "a"])
    assert yaml.safe_load(file.read_text()) == {"site": {"rack": 4, "row": "b"}, "tags": ["a", "b"]}
    grains.remove(ctx, "tags", "a")
    grains.delkey(ctx, "site:rack")
    grains.delval(ctx, "site:row")
    assert yaml.safe_load(file.read_text()) == {"site": {"row": None}, "tags": ["b"]}
    with pytest.raises(SalternError, match="has a value and not further names"):
        grains.setval(ctx, "tags:x", 1)


def test_pillar_is_told_by_nested_key(ctx: Context) -> None:
    assert pillar.get(ctx, "net:bridges:0") == "br0"
    assert pillar.get(ctx, "net", {"mtu": 9000, "x": 1}, merge=True) == {"mtu": 1500, "x": 1, "bridges": ["br0"]}
    assert pillar.item(ctx, "net:mtu") == {"net:mtu": 1500}
    assert pillar.ls(ctx) == ["net"]
    assert pillar.keys(ctx, "net") == ["mtu", "bridges"]
    assert pillar.raw(ctx, "nix") == {}
    with pytest.raises(SalternError, match="no names below"):
        pillar.keys(ctx, "net:mtu")


def test_a_setting_is_the_minions_own_before_grains_and_pillar(ctx: Context) -> None:
    assert config.get(ctx, "saltenv") == "base"
    assert config.get(ctx, "os") == "Debian"
    assert config.get(ctx, "net:mtu") == 1500
    assert config.get(ctx, "nix", 7) == 7


def test_files_of_the_tree_are_listed_hashed_and_read(ctx: Context, tmp_path: Path) -> None:
    assert cp.list_master(ctx, prefix="net/") == ["net/init.sls", "net/motd", "net/vlan.sls"]
    assert cp.list_master_dirs(ctx) == ["net"]
    assert cp.list_states(ctx) == ["net", "net.vlan", "top"]
    assert cp.get_file_str(ctx, "salt://net/motd") == "# net/motd\n"
    assert len(cp.hash_file(ctx, "salt://net/motd")["hsum"]) == 64
    with pytest.raises(SalternError, match=r"no file salt://net/modt.*'net/motd'"):
        cp.hash_file(ctx, "salt://net/modt")
    with pytest.raises(SalternError, match="not a path inside"):
        cp.get_file_str(ctx, "salt://../root")


@pytest.mark.usefixtures("permit")
def test_a_file_of_the_tree_is_copied(ctx: Context, tmp_path: Path) -> None:
    assert cp.get_file(ctx, "salt://net/motd", f"{tmp_path}/a/b", makedirs=True) == f"{tmp_path}/a/b"
    assert (tmp_path / "a/b").read_text() == "# net/motd\n"
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o644


@pytest.mark.usefixtures("permit")
def test_a_file_that_is_copied_over_another_keeps_the_others_mode(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("longer than what comes now, so that nothing of it may be left")
    (tmp_path / "b").chmod(0o640)
    cp.get_file(ctx, "salt://net/motd", f"{tmp_path}/b")
    assert (tmp_path / "b").read_text() == "# net/motd\n"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kernel_copies", [True, False])
@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_a_file_is_copied_whole_whether_the_kernel_can_do_it_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, kernel_copies: bool
) -> None:
    def refused(*arguments: object) -> int:
        raise OSError(errno.EXDEV, "not between these two")

    if not kernel_copies:
        monkeypatch.setattr("os.copy_file_range", refused)
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    safe.copy(f"{tmp_path}/b", f"{tmp_path}/a")
    assert (tmp_path / "b").read_bytes() == data


def test_a_file_that_changes_while_it_is_copied_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a"
    source.write_text("old")
    moved = os.copy_file_range

    def meanwhile(*arguments: int) -> int:
        source.write_text("longer")
        return moved(*arguments)

    monkeypatch.setattr("os.copy_file_range", meanwhile)
    with pytest.raises(TemporaryError, match="changed while it was copied"):
        safe.copy(f"{tmp_path}/b", str(source))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_functions_and_states_are_told_with_their_docs() -> None:
    assert {"grains", "sys", "test"} <= set(sys_.list_modules())
    assert "grains.get" in sys_.list_functions("grains")
    assert sys_.list_functions("test.p*") == ["test.ping"]
    assert sys_.list_state_functions("file.man*") == ["file.managed"]
    assert sys_.doc("test.ping")["test.ping"].startswith("True: the node is there")
    assert sys_.state_doc("file.managed")["file.managed"].startswith("The file NAME holds")
    spec = sys_.argspec("grains.get")["grains.get"]
    assert (spec["args"], spec["defaults"]) == (["key", "default", "delimiter"], ["", ":"])


def test_every_offered_function_says_what_it_is() -> None:
    silent = [name for name, text in {**sys_.doc("file", "cmd", "test", "cp"), **sys_.state_doc()}.items() if not text]
    assert silent == []


def test_what_only_the_agent_knows_is_refused_with_a_reason() -> None:
    with pytest.raises(SalternError, match="answered by a running agent"):
        saltutil.running()


def test_test_functions_answer() -> None:
    assert test.ping() is True
    assert test.arg(1, a=2) == {"args": [1], "kwargs": {"a": 2}}
    assert test.fib(50)[0] == 55
    assert len(test.rand_str(9)) == 9
    with pytest.raises(SalternError, match="boom"):
        test.exception("boom")


def test_the_test_functions_import_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = "{'dataclasses', 'yaml', 'jinja2', 'asyncio', 'msgspec', 'subprocess', 'inspect'}"
    code = f"import sys, modules.test; print(sorted(set(sys.modules) & {heavy}))"
    assert (
        subprocess.run(
            [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); {code}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        == "[]\n"
    )
