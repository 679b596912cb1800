"""After a reboot of every host, without a master: the same network, the same mounts, the same guests."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.lab import article
from tests.lab.article import CONTAINER, CONTAINER_ADDRESS, GUEST, GUEST_ADDRESS
from tests.lab.conftest import Platform
from tests.lab.host import Host
from tests.lab.report import exports, links, mounts
from tests.lab.test_platform import apply
from tests.patience import patient

SETTLED_S = 150.0  # mounts wait for the filer, which boots at the same time; many times what it takes


def seen(host: Host) -> dict[str, Any]:
    """What the host's kernel and its daemons show."""
    run = host.run
    return {
        "links": links(run(["ip", "-json", "-details", "address"]).stdout),
        "routes": sorted(line.strip() for line in run(["ip", "-4", "route"]).stdout.splitlines()),
        "mounts": mounts(host.read("/proc/self/mountinfo")),
        "exports": exports(run(["exportfs", "-s"], check=False).stdout),
        "machines": run(["virsh", "-q", "list", "--name"], check=False).stdout.split(),
        "containers": run(["lxc-ls", "--running", "-1"], check=False).stdout.split(),
    }


def differences(before: Mapping[str, Mapping[str, Any]], hosts: Mapping[str, Host]) -> list[tuple[str, str, Any, Any]]:
    """What is not as before: (host, what, before, now)."""
    now = {name: seen(host) for name, host in hosts.items()}
    return [
        (name, what, was, now[name][what])
        for name, all_ in before.items()
        for what, was in all_.items()
        if was != now[name][what]
    ]


def test_all_is_back_after_a_reboot_of_every_host_without_a_master(platform: Platform) -> None:
    cluster, hosts = platform.cluster, platform.cluster.lab.hosts
    before = {name: seen(host) for name, host in hosts.items()}
    assert (before["on-node1"]["machines"], before["on-master1"]["containers"]) == ([GUEST], [CONTAINER])
    cluster.stop()
    try:
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(Host.reboot, hosts.values()))
        deadline = time.monotonic() + patient(SETTLED_S)
        while (changed := differences(before, hosts)) and time.monotonic() < deadline:
            time.sleep(1)
        assert changed == []
        assert cluster.key is not None
        hosts["on-filer1"].put(cluster.key, article.KEY, mode=0o600)
        assert article.log_in(hosts["on-filer1"], CONTAINER_ADDRESS, "hostname").strip() == CONTAINER
        with article.workstation(hosts["on-master1"], cluster.key) as host:
            assert article.log_in(host, GUEST_ADDRESS, "hostname").strip() == GUEST
    finally:
        cluster.start()
        cluster.wait_up(*hosts)
    assert apply(cluster) == (set(), {})
