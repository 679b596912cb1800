"""Changes of the network that carries the minion's own connection: kept when the master confirms, else taken back.

Master and minion are in network namespaces of their own, with one cable between them; the master is behind a router's
address, so that the way to it takes an address and a default route.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from modules._transaction.store import Pending, Store
from tests.integration.kernel import ip, needs_root, network_namespace, tool
from tests.integration.system import System, wait_for
from tests.patience import WAIT_S

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]

FAR = f"saltern-n-{os.getpid()}"  # the minion's namespace
HOME = f"saltern-m-{os.getpid()}"
LIMIT_S = 600  # so that a slow machine does not come too late; where it is to pass, SOON_S
SOON_S = 6
GOOD: dict[str, Any] = {"addresses": ["10.99.0.2/24", "10.99.0.3/24"], "gateway": "10.99.0.1"}


class Site:
    """The master, the minion `n1` on the cable, and what to look at."""

    def __init__(self, made: System) -> None:
        self.made = made
        self.root = made.minions["n1"].root
        self.folder = self.root / "var/lib/saltern/minion/network"
        self.store = Store(self.folder)

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """The time that changes have to be confirmed, for the runs that begin meanwhile."""
        config = self.root / "etc/saltern/minion"
        text = config.read_text()
        config.write_text(text.replace(f"network_confirm_s: {LIMIT_S}\n", f"network_confirm_s: {seconds}\n"))
        try:
            yield
        finally:
            config.write_text(text)

    def apply(self, states: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """Run STATES as the SLS `net`: the minion's return."""
        (self.made.states / "net.sls").write_text(json.dumps(states))
        return self.made.publish("n1", "state.apply", "net", **arguments)["n1"]

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function returns."""
        return self.made.publish("n1", function, *arguments)["n1"]["return"]

    def begin(self, states: dict[str, Any], **arguments: Any) -> Begun:
        """Run STATES in the background; only what happens from now on is in the journal."""
        (self.folder / "journal").unlink(missing_ok=True)
        return Begun(self, states, arguments)

    def events(self) -> list[str]:
        """The journal's events until now."""
        file = self.folder / "journal"
        return [json.loads(line)["event"] for line in file.read_text().splitlines()] if file.exists() else []

    def settled(self) -> bool:
        """Whether nothing is pending."""
        return not (self.folder / "pending").exists()


class Begun:
    """A run in the background."""

    def __init__(self, site: Site, states: dict[str, Any], arguments: dict[str, Any]) -> None:
        self.value: dict[str, Any] = {}
        self._thread = threading.Thread(target=lambda: self.value.update(site.apply(states, **arguments)))
        self._thread.start()

    def join(self) -> dict[str, Any]:
        """Its return."""
        self._thread.join(WAIT_S)
        assert self.value
        return self.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with network_namespace(HOME):
        ip("netns", "add", FAR)
        try:
            ip("link", "set", "lo", "up")
            ip("link", "add", "cable", "type", "veth", "peer", "name", "eno1", "netns", FAR)
            ip("addr", "add", "10.99.0.1/24", "dev", "cable")
            ip("addr", "add", "10.98.0.1/32", "dev", "lo")
            ip("link", "set", "cable", "up")
            far("link", "set", "lo", "up")
            far("link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
            far("link", "set", "eno1", "master", "br0")
            far("link", "set", "eno1", "up")
            baseline()
            system = System(tmp_path_factory.mktemp("site"))
            system.configure(interface="0.0.0.0", publish_address="10.98.0.1")
            try:
                system.start()
                daemon = system.prepare("n1")
                config = daemon.root / "etc/saltern/minion"
                config.write_text(f"{config.read_text()}network_confirm_s: {LIMIT_S}\nworker_idle_s: 0\n")
                daemon.command[:0] = ["ip", "netns", "exec", FAR]
                daemon.start()
                system.wait_up("n1")
                yield Site(system)
            finally:
                system.close()
                for pid in ip("netns", "pids", FAR).split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
        finally:
            ip("netns", "delete", FAR)


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    """The site with its network as it was, nothing pending, and the minion connected."""
    wait_for("the kernel has settled the network", is_calm)
    yield made
    wait_for("nothing is pending", made.settled)
    baseline()
    made.made.wait_up("n1")


def baseline() -> None:
    """The minion's network as every test finds it."""
    far("link", "set", "br0", "up")
    far("addr", "flush", "dev", "br0", "scope", "global")
    far("addr", "add", "10.99.0.2/24", "dev", "br0")
    far("route", "replace", "default", "via", "10.99.0.1")


def far(*words: str) -> str:
    """iproute2 in the minion's namespace."""
    return ip("-n", FAR, *words)


def shape() -> Any:
    """The minion's links, addresses and routes, as iproute2 shows them."""
    links = [
        {key: entry.get(key) for key in ("ifname", "master", "mtu", "address", "flags")}
        for entry in json.loads(far("-j", "link", "show"))
    ]
    addresses = [
        (entry["ifname"], sorted(f"{a['local']}/{a['prefixlen']}" for a in entry["addr_info"]))
        for entry in json.loads(far("-j", "addr", "show"))
    ]
    return links, addresses, far("route", "show"), far("-6", "route", "show")


def is_calm() -> bool:
    """Whether what the kernel does in its own time is done: carriers, and IPv6 link-local addresses."""
    before, shown = shape(), json.loads(far("-j", "addr", "show"))
    time.sleep(0.2)
    return (
        all("LOWER_UP" in entry["flags"] for entry in shown if "UP" in entry["flags"])
        and not any(address.get("tentative") for entry in shown for address in entry["addr_info"])
        and shape() == before
    )


def is_again(before: Any) -> None:
    """The minion's network is what it was BEFORE, as soon as the kernel has settled it."""
    deadline = time.monotonic() + WAIT_S
    while shape() != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert shape() == before


def bridge(name: str = "br0", **arguments: Any) -> dict[str, Any]:
    """An SLS with one state of a bridge."""
    return {name: {"bridge.present": [{key: value} for key, value in {"persist": "none", **arguments}.items()]}}


def only(returned: dict[str, Any]) -> dict[str, Any]:
    """The one state's result."""
    (result,) = returned["return"].values()
    return dict(result)


def test_a_good_change_is_confirmed_by_the_master_and_kept(site: Site) -> None:
    files = sorted(site.folder.rglob("*"))
    preview = only(site.apply(bridge(**GOOD), test=True))
    assert preview["result"] is None
    assert "Touches the management path (eno1 > br0)" in preview["comment"]
    assert f"within {LIMIT_S} s" in preview["comment"]
    assert sorted(site.folder.rglob("*")) == files

    result = only(site.apply(bridge(**GOOD)))
    assert result["result"] is True, result
    assert "Committed: the master confirmed it over a new connection" in result["comment"]
    assert "10.99.0.3/24" in far("addr", "show", "dev", "br0")
    assert site.store.last().outcome == "committed"  # type: ignore[union-attr]
    assert site.events()[-1] == "disarmed"
    assert site.store.armed() == ""

    journal = (site.folder / "journal").stat().st_mtime_ns
    again = only(site.apply(bridge(**GOOD)))
    assert (again["result"], again["changes"]) == (True, {})
    assert (site.folder / "journal").stat().st_mtime_ns == journal


WRONG: dict[str, dict[str, Any]] = {
    "gateway": {"addresses": ["10.99.0.2/24"], "gateway": "10.99.0.77"},
    "address": {"addresses": ["10.97.0.2/24"], "gateway": "10.97.0.1"},
    "port": {"name": "br1", "ports": ["eno1"]},  # as if it were another host's
    "down": {"forward_delay": 0, "mtu": 1000, "addresses": []},
}


@pytest.mark.parametrize("what", ["address", "port", "down"])
def test_a_change_that_cuts_the_minion_off_is_taken_back_whole(site: Site, what: str) -> None:
    before = shape()
    with site.limit(SOON_S):
        result = only(site.apply(bridge(**WRONG[what])))
    assert result["result"] is False, result
    assert "Rolled back:" in result["comment"]
    assert result["changes"] == {}
    is_again(before)
    assert site.call("network.last")["outcome"] == "rolled back"


def test_a_state_that_fails_takes_the_others_of_its_transaction_with_it(site: Site) -> None:
    before = shape()
    states = {
        **bridge(**GOOD),
        "mv0": {"macvlan.present": [{"parent": "br0"}, {"mode": "bridge"}, {"persist": "none"}]},
        "10.50.0.0/16": {"route.present": [{"gateway": "10.60.0.1"}, {"persist": "none"}]},  # no way to that gateway
        "after": {"test.succeed_with_changes": []},
        "wants": {"test.succeed_with_changes": [{"require": [{"bridge": "br0"}]}]},
    }
    value = site.apply(states)["return"]
    results = {entry["__id__"]: entry for entry in value.values()}
    assert {name: entry["result"] for name, entry in results.items()} == {
        "br0": False,
        "mv0": False,
        "10.50.0.0/16": False,
        "after": True,
        "wants": False,
    }
    assert "Rolled back: route 10.50.0.0/16 failed" in results["br0"]["comment"]
    assert results["br0"]["changes"] == results["mv0"]["changes"] == {}
    is_again(before)


def test_steps_that_are_none_of_the_network_wait_for_the_confirmation(site: Site) -> None:
    (site.root / "marker").unlink(missing_ok=True)
    states = {
        **bridge(**WRONG["gateway"]),
        "wants": {"cmd.run": [{"name": f"touch {site.root}/marker"}, {"require": [{"bridge": "br0"}]}]},
    }
    with site.limit(SOON_S):
        results = {entry["__id__"]: entry for entry in site.apply(states)["return"].values()}
    assert results["br0"]["result"] is False
    assert results["wants"]["result"] is False  # it began before the change was taken back, and looked again
    assert not (site.root / "marker").exists()


def test_when_the_worker_is_killed_the_guard_takes_it_back_and_the_job_says_so(site: Site) -> None:
    before = shape()
    run = site.begin(bridge(**WRONG["gateway"]))
    wait_for("the change is being confirmed", lambda: "probe" in site.events() or "confirm" in site.events())
    os.kill(running(site).pid, signal.SIGKILL)
    returned = run.join()
    assert "ended by itself" in returned["return"]
    assert "rolled back: the process that made the change ended in the middle of it" in returned["return"]
    is_again(before)


def test_at_the_deadline_of_a_job_the_guard_is_spared_and_takes_it_back(site: Site) -> None:
    before = shape()
    for seconds in range(3, 60, 3):  # until one falls in the middle of the change, soon or late as this machine is
        returned = site.begin(bridge(**WRONG["gateway"]), deadline=seconds).join()
        if "rolled back" in returned["return"]:
            break
    assert returned["outcome"] == "killed"
    assert f"ended at its deadline of {seconds} s (signal SIGTERM), at step 1 of 1: br0" in returned["return"]
    assert "rolled back: the process that made the change ended in the middle of it" in returned["return"]
    is_again(before)


def test_when_agent_and_worker_are_killed_the_guard_takes_it_back_and_the_report_comes_later(site: Site) -> None:
    before = shape()
    run = site.begin(bridge(**WRONG["gateway"]))
    wait_for("the change is being confirmed", lambda: "probe" in site.events() or "confirm" in site.events())
    pid = running(site).pid
    site.made.minions["n1"].stop(signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for("the guard has taken it back", site.settled)
    is_again(before)
    site.made.minions["n1"].start()
    returned = run.join()
    assert "rolled back: the process that made the change ended" in returned["return"]


def test_a_guard_that_is_killed_is_started_again(site: Site) -> None:
    before = shape()
    for seconds in (5, 30, 120):  # until it is killed before that, soon or late as this machine is
        run = site.begin({**bridge(**GOOD), "slow": {"cmd.run": [{"name": "true"}]}}, confirm=seconds)
        wait_for("it waits for a person", lambda: "waiting" in site.events())
        was_killed = kill_guard(site)
        assert only_of(run.join(), "br0")["result"] is True
        wait_for("another guard has taken it back", site.settled)
        is_again(before)
        why = f"nobody confirmed it (network.confirm) within {seconds} s"
        assert site.store.last().why == why  # type: ignore[union-attr]
        if was_killed:
            break
    assert was_killed


def test_what_waits_for_a_person_is_kept_when_it_is_confirmed(site: Site) -> None:
    returned = site.apply(bridge(**GOOD), confirm=600)
    assert "Not committed yet" in only(returned)["comment"]
    pending = site.call("network.pending")
    assert (pending["phase"], pending["guarded"]) == ("waits for network.confirm", True)
    second = only(site.apply(bridge(addresses=["10.99.0.2/24"])))
    assert second["result"] is False
    assert "waits for a person" in second["comment"]
    assert site.call("network.confirm").startswith("committed")
    assert site.call("network.pending") == {}
    assert "10.99.0.3/24" in far("addr", "show", "dev", "br0")
    assert "there is no network change to confirm" in site.call("network.confirm")


def test_what_waits_for_a_person_is_taken_back_at_once_when_asked(site: Site) -> None:
    before = shape()
    site.apply(bridge(**GOOD), confirm=600)
    assert site.call("network.rollback")["outcome"] == "rolled back"
    is_again(before)


def test_without_a_master_only_confirm_guards(site: Site, tmp_path: Path) -> None:
    words = json.dumps(GOOD["addresses"])
    call = ["ip", "netns", "exec", FAR, str(Path(tool_path("saltern-call"))), "--local", "--root", str(tmp_path)]
    call += ["--out", "json", "state.single", "bridge.present", "br0", f"addresses={words}", "persist=none"]
    said = tool(*call)
    assert "ommitted" not in said
    assert not (tmp_path / "var/lib/saltern/minion/network").exists()
    baseline()
    before = shape()
    said = tool(*call, "confirm=5")
    assert "Not committed yet" in said
    wait_for("it is taken back", lambda: shape() == before)


def tool_path(name: str) -> Path:
    """A command of this installation."""
    import sys

    return Path(sys.executable).parent / name


def running(site: Site) -> Pending:
    """What is pending."""
    found = site.store.pending()
    assert found is not None
    return found


def only_of(returned: dict[str, Any], name: str) -> dict[str, Any]:
    """The result of the state with the id NAME."""
    return next(dict(entry) for entry in returned["return"].values() if entry["__id__"] == name)


def kill_guard(site: Site) -> bool:
    """SIGKILL the process that holds the guard's lock, as /proc/locks tells, before it has taken anything back."""
    inode = (site.folder / "guard").stat().st_ino
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    holding = {int(words[4]) for words in lines if words[1] == "FLOCK" and words[5].endswith(f":{inode}")}
    for pid in holding:
        os.kill(pid, signal.SIGKILL)
    return bool(holding) and not site.settled()
