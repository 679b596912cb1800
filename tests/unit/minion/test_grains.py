"""The grains as a whole: lazy, plain, static ones on top, no group able to spoil the others."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from minion import grains
from minion.grains import GROUPS, LazyGrains, collect, core, own_id, provision
from saltern.config import Config
from saltern.errors import ConfigError


def config(root: Path, **values: Any) -> Config:
    return Config(**{"root": root, "id": "web1", **values})


def static_file(root: Path, text: str | bytes) -> Path:
    file = root / "etc/saltern/grains"
    file.parent.mkdir(parents=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o644)
    return file


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The groups that ran, in order."""
    groups: list[str] = []
    real = grains._run

    def run(group: str, config: Config) -> dict[str, Any]:
        groups.append(group)
        return real(group, config)

    monkeypatch.setattr(grains, "_run", run)
    return groups


def test_a_name_belongs_to_one_group() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_gives_only_the_names_of_its_table(group: str, tmp_path: Path) -> None:
    given = grains._run(group, config(tmp_path, master="m"))
    assert set(given) <= set(GROUPS[group])


def test_all_grains_are_plain_data(tmp_path: Path) -> None:
    found = collect(config(tmp_path, grains={"roles": ["a", {"b": None}]}))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == sorted(found)
    json.dumps(found).encode("utf-8")


def test_the_grains_that_targets_and_states_count_on_are_there(tmp_path: Path) -> None:
    found = collect(config(tmp_path))
    wanted = (
        "id host localhost nodename fqdn domain os os_family osfullname osrelease osmajorrelease osrelease_info "
        "oscodename osfinger osarch kernel kernelrelease kernelversion cpuarch num_cpus cpu_model cpu_flags mem_total "
        "swap_total ip_interfaces ip4_interfaces ip6_interfaces ipv4 ipv6 hwaddr_interfaces ip4_gw dns virtual init "
        "path shell uid gid username groupname pythonversion pythonexecutable saltern_version locale_info timezone "
        "disks ssds kvm_usable vlan_8021q nfs_client bridges"
    )
    assert set(wanted.split()) <= set(found)
    assert found["id"] == "web1"
    assert found["kernel"] == "Linux"
    assert found["mem_total"] > 0
    assert "127.0.0.1" in found["ipv4"]


def test_two_collections_are_equal(tmp_path: Path) -> None:
    assert collect(config(tmp_path)) == collect(config(tmp_path))


def test_asking_for_one_grain_runs_its_group_alone_and_once(ran: list[str], tmp_path: Path) -> None:
    lazy = LazyGrains(config(tmp_path))
    assert ran == []
    assert lazy["os"] == lazy["os"]
    assert "osfinger" in lazy
    assert lazy.get("os_family")
    assert ran == ["system:distribution"]


def test_the_id_and_static_grains_run_no_group(ran: list[str], tmp_path: Path) -> None:
    lazy = LazyGrains(config(tmp_path, grains={"role": "filer", "os": "Mine"}))
    assert (lazy["id"], lazy["role"], lazy["os"]) == ("web1", "filer", "Mine")
    assert ran == []


def test_an_unknown_grain_is_a_key_error_without_a_search(ran: list[str], tmp_path: Path) -> None:
    lazy = LazyGrains(config(tmp_path))
    with pytest.raises(KeyError):
        lazy["nothing"]
    assert "nothing" not in lazy
    assert lazy.get("nothing", 7) == 7
    assert ran == []


def test_lazy_grains_equal_the_collected_ones(tmp_path: Path) -> None:
    lazy = LazyGrains(config(tmp_path, grains={"os": "Mine"}))
    assert lazy["osfinger"]
    found = collect(config(tmp_path, grains={"os": "Mine"}))
    assert dict(lazy) == found
    assert len(lazy) == len(found)
    assert repr(lazy).startswith("LazyGrains({")


def test_the_core_leaves_network_disks_and_probes_alone(ran: list[str], tmp_path: Path) -> None:
    found = core(config(tmp_path, grains={"role": "x"}))
    assert {"id", "os", "virtual", "num_cpus", "role"} <= set(found)
    assert not [group for group in ran if group.startswith(("network", "provision", "hardware:disks"))]


def test_a_group_that_fails_is_logged_and_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def broken(group: str, config: Config) -> dict[str, Any]:
        if group == "system:kernel":
            raise OSError("no such luck")
        return {"os": "Debian"} if group == "system:distribution" else {}

    monkeypatch.setattr(grains, "_run", broken)
    with caplog.at_level(logging.ERROR):
        found = collect(config(tmp_path))
    assert found == {"id": "web1", "os": "Debian"}
    assert "the grains of group system:kernel are left out" in caplog.text


def test_no_grain_asks_the_dns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a name was looked up")

    for name in ("getaddrinfo", "gethostbyaddr", "gethostbyname", "getfqdn", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, refuse)
    assert "ipv4" in collect(config(tmp_path))


# The id


def test_the_configured_id_wins(tmp_path: Path) -> None:
    assert own_id(config(tmp_path, id="on-node1")) == "on-node1"


def test_without_one_the_id_is_that_of_joining_then_the_host(tmp_path: Path) -> None:
    import os

    assert own_id(config(tmp_path, id="")) == os.uname().nodename
    joined = tmp_path / "var/lib/saltern/minion/keys/master"
    joined.parent.mkdir(parents=True)
    joined.write_text('{"address": "master:4515", "id": "on-node7"}')
    assert own_id(config(tmp_path, id="")) == "on-node7"
    assert collect(config(tmp_path, id=""))["master"] == "master:4515"
    joined.write_text("[]")
    assert own_id(config(tmp_path, id="")) == os.uname().nodename


@pytest.mark.parametrize("id", ["../evil", "a b", "a\nb", "{{7*7}}"])
def test_an_id_that_may_not_be_one_is_refused_with_the_place_to_mend_it(id: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Set `id` in .*/etc/saltern/minion"):
        collect(config(tmp_path, id=id))


# Static grains


def test_the_file_wins_over_the_configuration_and_both_over_what_is_found(tmp_path: Path) -> None:
    static_file(tmp_path, "os: FromFile\nrole: filer\ndate: 2024-05-01\n")
    found = collect(config(tmp_path, grains={"os": "FromConfig", "cpuarch": "abacus"}))
    assert (found["os"], found["role"], found["cpuarch"], found["date"]) == (
        "FromFile",
        "filer",
        "abacus",
        "2024-05-01",
    )


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("a: 1\nid: other\n", ":2:1", "'id' is no static grain"),
        ("a: 1\nb: [1,\n", ":3:1", "expected the node content"),
        ("- a\n- b\n", ":1:1", "expected grains as `name: value` lines"),
        ("a: 1\n\tb: 2\n", ":2:1", "cannot start any token"),
        ("a: 1\nyes: 2\n", ":2:1", "write 'yes' in quotes"),
        ("[a]: 2\n", ":1:1", "must be a text"),
        ("a: 1\na: 2\n", ":2:1", "grain 'a' is given twice"),
        ("a: !!python/object/apply:os.system [id]\n", ":1:4", "could not determine a constructor"),
        ("a: &x [*x]\n", "", "more than 50 levels deep"),
        ("a: !!binary aGk=\n", "", "has a value that no grain can have: bytes"),
        ("a: 2024-99-99\n", "", "month must be in"),
        (b"a: \xff\n", "", "not UTF-8"),
    ],
)
def test_a_bad_file_is_an_error_at_its_place(text: str, place: str, problem: str, tmp_path: Path) -> None:
    file = static_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        collect(config(tmp_path))
    assert str(caught.value).startswith(f"{file}{place}:")
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_has_no_grains(text: str, tmp_path: Path) -> None:
    static_file(tmp_path, text)
    assert "id" in core(config(tmp_path))


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    static_file(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\n<<: *a\n")
    found = collect(config(tmp_path))
    assert (found["b"], found["x"]) == ({"x": 1, "y": 2}, 1)


def test_a_merge_can_not_bring_an_id(tmp_path: Path) -> None:
    static_file(tmp_path, "a: &a {id: other}\n<<: *a\n")
    with pytest.raises(ConfigError, match="'id' is no static grain"):
        collect(config(tmp_path))


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    static_file(tmp_path, "role: filer\n").chmod(0o664)
    with pytest.raises(ConfigError, match="others may write"):
        collect(config(tmp_path))


def test_the_configuration_can_not_name_the_id_as_a_grain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="option grains: 'id' is no static grain"):
        collect(config(tmp_path, grains={"id": "other"}))


def test_template_text_in_a_grain_is_inert(tmp_path: Path) -> None:
    static_file(tmp_path, 'note: "{{ 7*7 }} $(id)\\n%n"\n')
    assert collect(config(tmp_path))["note"] == "{{ 7*7 }} $(id)\n%n"


def test_a_program_that_does_not_tell_its_version_in_time_costs_that_grain_and_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "lxc-start"
    program.write_text("#!/bin/sh\nexec sleep 3600\n")
    program.chmod(0o755)
    monkeypatch.setattr(provision, "_program", lambda name: str(program))
    monkeypatch.setattr(provision, "_VERSION_TIMEOUT_S", 0.1)
    assert provision.lxc(config(tmp_path)) == {}
