"""States of the network with their files, on this kernel: the network in a namespace, the files below a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from minion import network
from modules._persist.keep import PersistError
from saltern.context import Context
from saltern.converge.compare import changes
from saltern.converge.plan import Plan
from states import address, bridge, route, veth
from tests.integration.kernel import ip, needs_root, network_namespace
from tests.lab import packages
from tests.patience import WAIT_S
from tests.plans import context, converge

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]

BRIDGE: dict[str, Any] = {"ports": ["eth0"], "addresses": ["10.1.0.1/24"], "gateway": "10.1.0.254"}
MANAGERS = ("networkd", "ifupdown", "networkmanager", "saltern")


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    """A node whose files lie below a folder and which has every manager in use."""
    root = tmp_path / "root"
    wants = root / "etc/systemd/system/multi-user.target.wants"
    for folder in (wants, root / "run/systemd/system", root / "etc/network"):
        folder.mkdir(parents=True)
    for unit in ("systemd-networkd", "networking", "NetworkManager"):
        (wants / f"{unit}.service").symlink_to(f"/usr/lib/systemd/system/{unit}.service")
    (root / "etc/network/interfaces").write_text("source /etc/network/interfaces.d/*\n")
    with network_namespace(f"saltern-t-persist-{os.getpid()}"):
        ip("link", "set", "lo", "up")
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "far0")
        ip("link", "set", "far0", "up")
        yield context(tmp_path)


def kept(ctx: Context) -> dict[str, str]:
    """All files that are kept, by path."""
    root = ctx.config.root
    paths = [path for path in root.rglob("*saltern*") if path.is_file()] + [*(root / "etc/saltern").rglob("*.json")]
    return {str(path.relative_to(root)): path.read_text() for path in paths if "systemd/system" not in str(path)}


def sentences(plan: Plan) -> list[str]:
    return [step.sentence for step in plan.steps]


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_files_are_planned_shown_written_and_repaired_with_the_state(ctx: Context, manager: str) -> None:
    plan = bridge.present(ctx, "br0", **BRIDGE, persist=manager)
    assert kept(ctx) == {}
    assert "for the next boot: write" in sentences(plan)[-1]
    assert "+++ /etc/" in changes("br0", plan.current, plan.wish, plan.wish)["diff"]
    converge(bridge.present, ctx, "br0", **BRIDGE, persist=manager)
    before = kept(ctx)
    for path in before:
        (ctx.config.root / path).write_text("drift\n")
    drifted = converge(bridge.present, ctx, "br0", **BRIDGE, persist=manager)
    assert len(drifted.steps) == 1
    assert kept(ctx) == before


@pytest.fixture(scope="module")
def nmcli(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """NetworkManager's own command and the environment it needs. It is unpacked, never installed: an installed one
    would take the network of this machine."""
    if (found := which("nmcli")) is not None:
        return found, {}
    folder = tmp_path_factory.mktemp("nmcli")
    packages.unpack(["network-manager", "libnm0"], folder / "debs", folder)
    [library] = folder.glob("usr/lib/*/libnm.so.0")
    return str(folder / "usr/bin/nmcli"), {"LD_LIBRARY_PATH": str(library.parent)}


def test_networkmanager_itself_reads_the_profiles_and_loses_nothing(
    ctx: Context, nmcli: tuple[str, dict[str, str]]
) -> None:
    ctx = replace(ctx, config=replace(ctx.config, network_persist="networkmanager"))
    port = {"eth0": {"hairpin": True, "cost": 7}}
    converge(bridge.present, ctx, "br0", **(BRIDGE | {"ports": [port], "priority": 4096, "stp": False}))
    converge(veth.present, ctx, "va", peer="vb", mtu=1400)
    converge(route.present, ctx, "10.5.0.0/16", gateway="10.1.0.9", metric=50, table=100)
    for text in kept(ctx).values():
        argv = [nmcli[0], "--offline", "connection", "modify", "connection.zone", ""]
        ran = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            env={**os.environ, **nmcli[1]},
        )
        assert ran.returncode == 0, ran.stderr
        joined = ran.stdout.replace("/24,10.1.0.254", "/24\ngateway=10.1.0.254")  # it writes the gateway there
        lost = {line for line in text.splitlines() if not line.startswith("#")} - set(joined.splitlines())
        assert lost == set()


@pytest.mark.parametrize("manager", MANAGERS)
def test_absent_takes_what_was_kept_even_where_the_kernel_has_it_no_more(ctx: Context, manager: str) -> None:
    ctx = replace(ctx, config=replace(ctx.config, network_persist=manager))
    converge(bridge.present, ctx, "br0", **BRIDGE)
    converge(address.present, ctx, "10.1.0.7/24", interface="br0")
    converge(route.present, ctx, "10.5.0.0/16", gateway="10.1.0.9")
    converge(veth.present, ctx, "va", peer="vb")
    assert kept(ctx) != {}
    converge(route.absent, ctx, "10.5.0.0/16")
    converge(address.absent, ctx, "10.1.0.7", interface="br0")
    ip("link", "delete", "br0")
    plan = converge(bridge.absent, ctx, "br0")
    assert [sentence.partition(":")[0] for sentence in sentences(plan)] == ["keep br0 no more for the next boot"]
    converge(veth.absent, ctx, "va")
    assert kept(ctx) == {}


def test_persist_none_keeps_nothing_and_takes_what_was_kept(ctx: Context) -> None:
    converge(bridge.present, ctx, "br0", **BRIDGE, persist="networkd")
    plan = converge(bridge.present, ctx, "br0", **BRIDGE, persist=False)
    assert [sentence.partition(":")[0] for sentence in sentences(plan)] == ["keep br0 no more for the next boot"]
    assert kept(ctx) == {}


def test_an_address_that_moved_is_kept_where_it_is_now(ctx: Context) -> None:
    converge(veth.present, ctx, "va", peer="vb", persist="ifupdown")
    converge(address.present, ctx, "10.2.0.1/24", interface="va", persist="ifupdown")
    converge(address.present, ctx, "10.2.0.1/24", interface="vb", persist="ifupdown")
    assert [path.rpartition("/")[2] for path in kept(ctx) if "address" in path] == ["saltern-with-address-vb-10.2.0.1"]


def test_an_interface_of_somebody_else_is_refused_before_anything_is_done(ctx: Context) -> None:
    (ctx.config.root / "etc/network/interfaces").write_text("auto br0\niface br0 inet dhcp\n")
    with pytest.raises(PersistError, match="br0 belongs to ifupdown: /etc/network/interfaces defines it"):
        bridge.present(ctx, "br0", **BRIDGE, persist="networkd")


def test_a_manager_that_is_not_in_use_is_unknown_until_it_is(ctx: Context) -> None:
    (ctx.config.root / "etc/systemd/system/multi-user.target.wants/networking.service").unlink()
    plan = bridge.present(ctx, "br0", **BRIDGE, persist="ifupdown")
    assert plan.unknown is not None
    assert plan.unknown.startswith("ifupdown is not in use on this node: enable networking.service first")


def test_what_a_manager_can_not_express_is_kept_by_saltern_only_where_none_is_named(ctx: Context) -> None:
    trunk: dict[str, Any] = {"ports": [{"eth0": {"root_block": True}}]}
    with pytest.raises(PersistError, match="can't keep `root_block` of the port eth0 of br0"):
        bridge.present(ctx, "br0", **trunk, persist="networkd")


def test_what_saltern_keeps_comes_back_by_its_own_command(ctx: Context, capfd: pytest.CaptureFixture[str]) -> None:
    ctx = replace(ctx, config=replace(ctx.config, network_persist="saltern"))
    converge(veth.present, ctx, "va", peer="vb")
    converge(bridge.present, ctx, "br0", ports=["eth0", "vb"], addresses=["10.1.0.1/24"], gateway="10.1.0.254")
    converge(address.present, ctx, "10.1.0.7/24", interface="br0")
    converge(route.present, ctx, "10.5.0.0/16", gateway="10.1.0.9")
    files = kept(ctx)
    for name in ("br0", "va"):
        ip("link", "delete", name)
    assert network.run(ctx.config.root) == 0, capfd.readouterr()
    assert kept(ctx) == files  # bringing it up keeps nothing anew
    for state, name, arguments in (
        (veth.present, "va", {"peer": "vb"}),
        (bridge.present, "br0", {"ports": ["eth0", "vb"], "addresses": ["10.1.0.1/24", "10.1.0.7/24"]}),
        (route.present, "10.5.0.0/16", {"gateway": "10.1.0.9"}),
    ):
        plan = state(ctx, name, persist="auto", **arguments)
        assert plan.steps == ()
    assert "ok bridge.present br0" in capfd.readouterr().out


def test_a_bad_record_is_named_and_the_others_come_up(ctx: Context, capfd: pytest.CaptureFixture[str]) -> None:
    converge(veth.present, ctx, "va", peer="vb", persist="saltern")
    ip("link", "delete", "va")
    folder = ctx.config.root / "etc/saltern/network.d"
    (folder / "bridge-br0.json").write_text("{")
    (folder / "bridge-br1.json").write_text((folder / "veth-va.json").read_text())
    (folder / "bridge-br1.json").chmod(0o666)
    assert network.run(ctx.config.root) == 1
    said = capfd.readouterr().err
    assert "bridge-br0.json: it is no state as JSON; apply the state again" in said
    assert "bridge-br1.json: refused, since others may write to it" in said
    assert "va@vb" in ip("-br", "link")


def test_an_interface_that_does_not_come_is_waited_for_no_longer_than_it_may(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network, "WAIT_S", 0.2)
    converge(bridge.present, ctx, "br0", ports=["eth0"], persist="saltern")
    converge(veth.present, ctx, "va", peer="vb", persist="saltern")
    for name in ("br0", "va", "eth0"):
        ip("link", "delete", name)
    assert network.run(ctx.config.root) == 1
    said = capfd.readouterr()
    assert "there is no interface eth0 after 0.2 s" in said.err
    assert "FAILED bridge.present br0" in said.out
    assert "va@vb" in ip("-br", "link")
