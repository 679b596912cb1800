"""`make demo`: three whole hosts converge from bare to the example platform with its guests, drift, and are
repaired.

Everything shown is done by the real commands and checked: the exit code is 0 only where all was as it is said.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tests.lab import article
from tests.lab.article import GUEST
from tests.lab.channel import LabError
from tests.lab.cluster import Cluster, journal
from tests.lab.host import Host
from tests.lab.lab import HOSTS, Lab
from tests.lab.report import changed, exports, failures, links, mounts, paragraph, runs, steps, summary, table, unknown

# What the demo breaks by hand, and the states that have to notice: no more and no fewer.
DRIFT = (
    ("on-master1", ["ip", "address", "delete", "192.168.43.253/24", "dev", "br43"]),
    ("on-node1", ["ip", "link", "delete", "br46"]),
    ("on-node1", ["umount", "/var/lib/one/datastores/102"]),
)
NOTICED = {
    ("on-master1", "bridge.present", "br43"),
    ("on-node1", "bridge.present", "br46"),
    ("on-node1", "virt.running", GUEST),  # its interface fell out of the bridge
    ("on-node1", "mount.mounted", "/var/lib/one/datastores/102"),
}

VMS = ["virsh", "-q", "list", "--name"]
CONTAINERS = ["lxc-ls", "--running", "-1"]
WIDTH = 95  # columns of what is shown, beside the margin


class Wrong(Exception):
    """Something was not as the demo says."""


class Show:
    """What is printed: numbered headlines with the time since the start, commands, lines."""

    def __init__(self) -> None:
        """The clock starts now."""
        self._start, self._step = time.monotonic(), 0
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def headline(self, text: str) -> None:
        """A new step begins."""
        self._step += 1
        print(f"\n{self._ink('1', f'{self._step}. {text}')}  {self._ink('2', self.elapsed())}", flush=True)

    def command(self, argv: Iterable[str], where: str = "") -> None:
        """A command line, as it would be typed."""
        print(f"   {self._ink('36', f'{where}$ {shlex.join(argv)}')}", flush=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines of output."""
        for line in lines:
            print(f"   {line}".rstrip())
        sys.stdout.flush()

    def steps(self, title: str, found: Mapping[str, list[str]]) -> None:
        """The steps of each host."""
        self.lines(["", title])
        for name, sentences in found.items():
            self.lines(paragraph(name, sentences or ["nothing"], indent=12, width=WIDTH))

    def good(self, text: str) -> None:
        """Something is as it should be."""
        self.lines([self._ink("32", text)])

    def elapsed(self) -> str:
        """Seconds since the start, to read."""
        return f"{time.monotonic() - self._start:.0f} s"

    def _ink(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def main() -> int:
    """Run the demo. 0: all as it is said, 1: not."""
    show = Show()
    try:
        show.headline(f"Boot three hosts: {', '.join(HOSTS)}")
        show.lines(
            ["user-mode Linux, systemd, a switch between them; bare: no VLAN, no bridge, no mount, no export, no guest"]
        )
        with Lab() as lab:
            cluster = Cluster(lab)
            try:
                return play(show, lab, cluster)
            finally:
                cluster.stop()
    except (Wrong, LabError) as error:
        print(f"\nThe demo failed after {show.elapsed()}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def play(show: Show, lab: Lab, cluster: Cluster) -> int:
    """All steps after the hosts have booted."""
    show.headline("Start the master, let the hosts join with a one-time token")
    show.command(["saltern-master"])
    show.command(["saltern-key", "token", "--minion", "on-*", "--ttl", "1h"])
    show.command(["saltern-minion", "join", "TOKEN"], "host")
    cluster.start()
    cluster.join(*HOSTS)
    cluster.wait_up(*HOSTS)
    show.command(["saltern-run", "manage.up"])
    show.lines([", ".join(sorted(cluster.up()))])

    show.headline("Converge the platform from bare")
    show.steps("what was done", steps(apply(show, lab, cluster)))
    picture(show, lab)

    show.headline("Again: there is nothing to do")
    unchanged(show, lab, cluster)

    show.headline("Log in to the virtual machine and to the container, each across its VLAN")
    log_in(show, lab, cluster)

    show.headline("Break three things by hand, and ask what differs")
    for name, argv in DRIFT:
        show.command(argv, name)
        lab[name].run(argv)
    planned = drift(show, cluster)

    show.headline("Repair them")
    returns = apply(show, lab, cluster)
    if changed(returns) != NOTICED or steps(returns) != planned:
        raise Wrong(f"not what was shown was done: {sorted(changed(returns))}, {steps(returns)}")
    show.good("by the steps that were shown")
    unchanged(show, lab, cluster)

    show.headline("Done")
    show.lines(
        [
            "The platform is examples/opennebula: change its pillar, or give the lab an on-node2.",
            "On your own machines: README.md. What Saltern can converge: docs/. All tests: make test",
        ]
    )
    return 0


def apply(show: Show, lab: Lab, cluster: Cluster) -> Mapping[str, Any]:
    """`saltern '*' state.apply`, shown and checked: all hosts returned and no state failed."""
    argv = ["saltern", "*", "state.apply"]
    show.command(argv)
    returns = cluster.returns(argv, timeout_s=240, live=sys.stderr.isatty())
    show.lines(summary(runs(returns)))
    if missing := set(HOSTS) - set(returns):
        raise Wrong(f"no return of {', '.join(sorted(missing))}\n{cluster.log_tail()}")
    if bad := [run.minion for run in runs(returns) if run.failed]:
        told = "\n".join([*failures(returns), *(journal(lab[name]) for name in bad)])
        raise Wrong(f"states failed\n{told}")
    return returns


def unchanged(show: Show, lab: Lab, cluster: Cluster) -> None:
    """An apply that changes nothing anywhere."""
    if found := changed(apply(show, lab, cluster)):
        raise Wrong(f"a run that should change nothing changed {sorted(found)}")
    show.good("Changed: 0 on each")


def log_in(show: Show, lab: Lab, cluster: Cluster) -> None:
    """The key of the pillar lets in, from a host that stands for a workstation."""
    assert cluster.key is not None
    words = ["hostname; uname -sr; ip -o address show dev eth0 | awk '{print $4}'"]
    with article.workstation(lab["on-master1"], cluster.key) as host:
        show.command(["ssh", "-i", "key", f"root@{article.GUEST_ADDRESS}"], "workstation in VLAN 46")
        show.lines([article.log_in(host, article.GUEST_ADDRESS, *words).replace("\n", "  ")])
    lab["on-filer1"].put(cluster.key, article.KEY, mode=0o600)
    show.command(["ssh", "-i", "key", f"root@{article.CONTAINER_ADDRESS}"], "on-filer1")
    show.lines([article.log_in(lab["on-filer1"], article.CONTAINER_ADDRESS, *words).replace("\n", "  ")])


def drift(show: Show, cluster: Cluster) -> Mapping[str, list[str]]:
    """`state.apply test=True` shows exactly what was broken; the steps that would mend it."""
    argv = ["saltern", "*", "state.apply", "test=True"]
    show.command(argv)
    returns = cluster.returns(argv)
    waits = unknown(returns)
    found = changed(returns) - waits
    show.lines(summary(runs(returns), test=True))
    show.steps("what would be done", steps(returns))
    if found != NOTICED:
        raise Wrong(f"expected exactly {sorted(NOTICED)}, found {sorted(found)}\n" + "\n".join(failures(returns)))
    for minion, function, name in sorted(waits):
        show.lines([f"{minion}: {function} {name} is unknown until then"])
    show.good("what was broken, and nothing else")
    return steps(returns)


def picture(show: Show, lab: Lab) -> None:
    """What the hosts' kernels say now."""
    rows: list[tuple[str, ...]] = [("", "as the kernels show it", "", "")]
    for host in lab.hosts.values():
        rows += [(host.name if not number else "", *row) for number, row in enumerate(_seen(host))]
    show.lines(["", *table(rows)])


def _seen(host: Host) -> list[tuple[str, str, str]]:
    found = links(host.run(["ip", "-json", "-details", "address"]).stdout)
    found += mounts(host.read("/proc/self/mountinfo"))
    for kind, argv in (("virtual machine", VMS), ("container", CONTAINERS)):
        names = host.run(argv, check=False).stdout.split()
        found += [(name, f"{kind}, running", "-") for name in names]
    return found + exports(host.run(["exportfs", "-s"], check=False).stdout)


if __name__ == "__main__":
    sys.exit(main())
