"""A lab host whose way to its master is to be changed, again and again, and what can go wrong with it meanwhile.

The old way: eno1 without a tag, 198.51.100.11, gateway 198.51.100.1. The new one: the VLAN 90 of eno1 in a bridge,
203.0.113.11 (ranges reserved for documentation, RFC 5737), gateway 203.0.113.1. Both gateways are the machine, where
the master is, and at the end the old address goes: exactly one way leads to the master before, and exactly one after.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.lab.channel import LabError
from tests.lab.cluster import Cluster
from tests.lab.lab import Lab
from tests.lab.process import Kept
from tests.lab.switch import BRIDGE, MACHINE
from tests.patience import patient

NAME = "on-node1"
VAR = "/var/lib/saltern/minion"
FOLDER = f"{VAR}/network"
KEPT = "/etc/saltern/network.d"
SAVED = "/root/network.d"
TAGGER = Path(__file__).with_name("tagger.py")
STOP_AT = Path(__file__).parent / "inside/stop_at.py"
READY = "/run/stop_at"
FILLER = "/var/filler"
LIMIT_S = 8  # network_confirm_s
AWAY_S = LIMIT_S + 2.0  # how long the master, or the way to it, is away
VLAN, WRONG_VLAN = 90, 91
OLD, NEW, NEW_GATEWAY = "198.51.100.11", "203.0.113.11", "203.0.113.1"
DAY_S = 86400
LOAD_S = 40.0  # what arming and the like may take on a busy machine, beside what is asked for


def new_way(
    *, vlan: int = VLAN, address: str = NEW, gateway: str = NEW_GATEWAY, broken: bool = False
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The SLS that moves the host to its new address; BROKEN: its last state fails."""
    kept = {"persist": "saltern"}
    states: dict[str, dict[str, list[dict[str, Any]]]] = {
        "eno1.90": {"vlan.present": [{"parent": "eno1"}, {"id": vlan}, kept]},
        "br90": {"bridge.present": [{"ports": ["eno1.90"]}, {"stp": False}, {"forward_delay": 0}, kept]},
        f"{address}/24": {"address.present": [{"interface": "br90"}, kept]},
        "default": {"route.present": [{"gateway": gateway}, kept]},
        f"{OLD}/24": {"address.absent": [{"interface": "eno1"}]},
    }
    if broken:
        states["nothing0"] = {"link.managed": [{"up": True}]}
    return states


class Shape(NamedTuple):
    """What kernel and files say of the network: lines for links, addresses, routes, and the files with their text."""

    links: frozenset[str]
    addresses: frozenset[str]
    routes: frozenset[str]
    files: frozenset[tuple[str, str]]

    def minus(self, other: Shape) -> list[str]:
        """What this has and OTHER has not."""
        return sorted(str(one) for mine, theirs in zip(self, other, strict=True) for one in mine - theirs)


class Hit(NamedTuple):
    """A process that was stopped at an event: the journal until then."""

    events: list[dict[str, Any]]

    @property
    def jid(self) -> str:
        """Of the job whose transaction it is."""
        return str(self.events[0]["jid"])

    @property
    def worker(self) -> int:
        """The process that opened the transaction."""
        return int(self.events[0]["pid"])

    @property
    def stopped(self) -> int:
        """The process that wrote the last event."""
        return int(self.events[-1]["pid"])


class FaultHost:
    """The host, its switch and its master. As a context manager it boots and removes them."""

    def __init__(self) -> None:
        """Prepare all."""
        self.lab = Lab([NAME])
        self.host = self.lab[NAME]
        self.cluster = Cluster(self.lab)
        self.pool = ThreadPoolExecutor(3)
        self.old = self.new = Shape(frozenset(), frozenset(), frozenset(), frozenset())
        self.before = ""  # the job of the last transaction, at the last reset
        self.second: Future[Mapping[str, Any]] | None = None  # a job beside the one that is watched
        self._away = False
        self._tagger: Kept | None = None

    def __enter__(self) -> Self:
        """Boot, and converge the host to the old way and, once, to the new one."""
        try:
            self.lab.__enter__()
            self.cluster.__enter__()
            self._prepare()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove all."""
        self.remove()

    def remove(self) -> None:
        """Remove all."""
        with suppress(LabError, OSError):
            self.master_away(False)
        self.cluster.stop()
        if self._tagger is not None:
            self._tagger.stop()
        self.lab.remove()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self) -> None:
        switch, host = self.lab.switch, self.host
        lines = ["tuntap add dev way90 mode tap", "tuntap add dev tag90 mode tap", f"link set tag90 master {BRIDGE}"]
        lines += [f"address add {NEW_GATEWAY}/24 dev way90", "link set way90 up", "link set tag90 up"]
        switch.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")
        argv = [sys.executable, "-ISE", str(TAGGER), "way90", "tag90", str(VLAN)]
        self._tagger = switch.start(argv, output=subprocess.DEVNULL, grace_s=0)
        host.write("/etc/saltern/minion.d/faults.conf", f"network_confirm_s: {LIMIT_S}\n")
        host.run(["systemctl", "restart", "saltern-minion"])
        self.cluster.wait_up(NAME)
        self.cluster.write_sls("old", json.dumps({"default": _route(MACHINE)}))
        self._succeed("old")
        host.run(["cp", "-a", KEPT, SAVED])
        self.old = self.shape()
        self.cluster.write_sls("new", json.dumps(new_way()))
        self._succeed("new")
        self.new = self.shape()
        if self.new.minus(self.old) == [] or self.where() != "new":
            raise LabError(f"the host did not move: {self.new}")
        self.reset()

    def _succeed(self, sls: str) -> None:
        """Apply SLS; once more where the return was lost with the way by which it would have come."""
        for _ in range(3):
            found = self.apply(sls).result()
            if all(result["result"] for result in found.values()):
                return
            self._answer()
        raise LabError(f"{sls} was not applied: {json.dumps(found, indent=1)}\n{self.cluster.log_tail()}")

    def _answer(self) -> Mapping[str, Any]:
        """Wait for the report of the last transaction."""
        deadline = time.monotonic() + patient(120)
        while (last := self.last()) is None:  # by a connection that is not of the way that is gone
            if time.monotonic() > deadline:
                raise LabError(f"the minion does not answer: {self.cluster.log_tail()}")
        return last

    # what is seen

    def shape(self) -> Shape:
        """How the host's network is now."""
        batch = "link show\naddress show\nroute show table all\n"
        said = self.host.run(["ip", "-d", "-j", "-batch", "-"], stdin=batch).stdout
        links, addresses, routes = (json.loads(line) for line in _documents(said))
        text = self.host.run(["grep", "-rs", "", KEPT], check=False).stdout
        by_file: dict[str, list[str]] = {}
        for line in text.splitlines():
            path, _, words = line.partition(":")
            by_file.setdefault(path, []).append(words)
        return Shape(
            frozenset(_link(entry, links) for entry in links),
            frozenset(
                f"{entry['ifname']} {one['local']}/{one['prefixlen']}"
                for entry in addresses
                for one in entry["addr_info"]
                if one["scope"] != "link"
            ),
            frozenset(
                f"{route['dst']} via {route.get('gateway')} dev {route.get('dev')}"
                for route in routes
                if (route.get("table") != "local" and ":" not in route["dst"] and route["dst"] != "default")
                or (route["dst"] == "default" and ":" not in str(route.get("gateway")))
            ),
            frozenset((path, "\n".join(lines)) for path, lines in by_file.items()),
        )

    def where(self) -> str:
        """By which of its addresses the host answers the machine: "old", "new", "both", "none"."""
        answers = [
            name
            for name, address in (("old", OLD), ("new", NEW))
            if self.lab.switch.run(["ping", "-n", "-q", "-c", "1", "-w", "4", address], check=False).returncode == 0
        ]
        return "both" if len(answers) == 2 else "".join(answers) or "none"

    def last(self) -> Mapping[str, Any] | None:
        """The report of the last transaction, by way of the master; None where it does not come."""
        with suppress(LabError, subprocess.TimeoutExpired):
            found = self.cluster.returns(["saltern", NAME, "network.last"], timeout_s=20).get(NAME)
            return found if isinstance(found, dict) else None
        return None

    # what is done

    def apply(self, sls: str, *words: str) -> Future[Mapping[str, Any]]:
        """Begin to apply SLS; what the host returned comes later."""

        def run() -> Mapping[str, Any]:
            found = self.cluster.returns(["saltern", NAME, "state.apply", sls, *words], timeout_s=100).get(NAME)
            return found if isinstance(found, dict) else {"": {"result": False, "comment": str(found)}}

        return self.pool.submit(run)

    @contextmanager
    def stopping_at(self, event: str, count: int) -> Iterator[Future[Hit | None]]:
        """Something that begins a transaction is stopped at the COUNT-th EVENT; None: that never came."""
        self.host.run(["rm", "-f", READY])
        argv = ["/usr/bin/python3", "-ISE", str(STOP_AT), FOLDER, event, str(count), READY, f"{patient(LOAD_S):g}"]

        def wait() -> Hit | None:
            lines = self.host.run(argv, timeout_s=LOAD_S + 20).stdout.splitlines()
            return Hit([json.loads(line) for line in lines]) if lines else None

        found = self.pool.submit(wait)
        while self.host.run(["test", "-e", READY], check=False).returncode:
            if found.done():
                raise LabError(f"nothing stops the host: {found.exception()}")
            time.sleep(0.05)
        yield found

    def go_on(self, hit: Hit) -> None:
        """Let the stopped process go on, where it still lives."""
        self.kill("CONT", hit.stopped)

    def kill(self, signal_name: str, *pids: int) -> None:
        """Send a signal."""
        for pid in pids:
            self.host.run(["kill", "-s", signal_name, "--", str(pid)], check=False)

    def main_pid(self, unit: str) -> int:
        """The main process of UNIT, 0 where it has none."""
        return int(self.host.run(["systemctl", "show", "-P", "MainPID", unit]).stdout)

    def power_cut(self) -> None:
        """Switch it off and on."""
        self.host.kill()
        self.host.start()
        self.host.wait_booted()

    def master_away(self, away: bool) -> None:
        """Stop the master's process, or let it go on."""
        if away != self._away:
            os.killpg(self.cluster.group, signal.SIGSTOP if away else signal.SIGCONT)
            self._away = away

    def trunk(self, complete: bool) -> None:
        """Let the new VLAN pass the switch, or not."""
        self.lab.switch.run(["ip", "link", "set", "tag90", *(["master", BRIDGE] if complete else ["nomaster"])])

    def fill_disk(self) -> None:
        """Leave no byte for anybody on the disk of /var, /etc and all else."""
        size = int(self.host.run(["df", "--output=size", "-B1", "/var"]).stdout.split()[-1])
        number = 0
        while size >= 4096:
            done = self.host.run(["fallocate", "-l", str(size), f"{FILLER}{number}"], check=False)
            number, size = (number, size // 2) if done.returncode else (number + 1, size)
        self.host.run(["dd", "if=/dev/zero", f"of={FILLER}-rest", "bs=1k", "count=4096"], check=False)

    def set_clock(self, ahead_s: int = 0) -> None:
        """Set the host's clock to the machine's, AHEAD_S seconds ahead of it."""
        self.host.run(["date", "-s", f"@{int(time.time()) + ahead_s}"])

    def reset(self) -> None:
        """Undo all faults, and make the network the old one by ip(8), not by what is tested."""
        self.master_away(False)
        self.trunk(True)
        self.lab.switch.plug(NAME)
        if not self.host.running:
            self.host.start()
            self.host.wait_booted()
        self.host.run(["find", "/var", "-maxdepth", "1", "-name", "filler*", "-delete"])
        self.set_clock()
        for _ in range(2):
            self._old_way()
            wrong = [*self.shape().minus(self.old), *self.old.minus(self.shape())]
            if not wrong:
                break
        else:
            raise LabError(f"the host can't be reset: {wrong}")
        self.cluster.wait_up(NAME, timeout_s=60)
        self.before = str(self._answer().get("jid"))

    def _old_way(self) -> None:
        self.host.run(["rm", "-rf", KEPT])
        self.host.run(["cp", "-a", SAVED, KEPT])
        now = self.shape()
        if now == self.old:
            return
        lines = [f"link delete {name}" for name in ("br90", "eno1.90") if any(x.startswith(name) for x in now.links)]
        lines += [f"address replace {OLD}/24 dev eno1", f"route replace default via {MACHINE} dev eno1"]
        self.host.run(["ip", "-force", "-batch", "-"], stdin="\n".join(lines) + "\n", check=False)


def _route(gateway: str) -> dict[str, Sequence[dict[str, Any]]]:
    return {"route.present": [{"gateway": gateway}, {"persist": "saltern"}]}


def _documents(text: str) -> list[str]:
    """The JSON documents that `ip -batch` prints one after the other."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(text):
        while place < len(text) and text[place].isspace():
            place += 1
        if place < len(text):
            _, end = decoder.raw_decode(text, place)
            found.append(text[place:end])
            place = end
    return found


def _link(entry: Mapping[str, Any], links: Sequence[Mapping[str, Any]]) -> str:
    """A link in one line that stays the same over boots: addresses of cards are by chance."""
    cards = {one["address"]: one["ifname"] for one in links if "linkinfo" not in one and one["ifname"] != "lo"}
    data = entry.get("linkinfo", {}).get("info_data", {})
    shown = {key: data.get(key) for key in ("id", "protocol", "stp_state", "forward_delay", "vlan_filtering")}
    mac = cards.get(entry["address"], entry["address"])
    up = "UP" in entry["flags"]
    return f"{entry['ifname']} {entry.get('master')} {entry.get('link')} {entry['mtu']} {mac} {up} {shown}"
