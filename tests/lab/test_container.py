"""A container of the platform on a real host: reached across its VLAN, changed as it runs, back after a reboot."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import guest
from tests.lab.channel import LabError
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.patience import patient

CALL = Path(sys.executable).with_name("saltern-call").absolute()
KEY = "/root/container-key"
ADDRESS = "192.168.43.250"
START_S = 30.0  # until what starts by itself answers, on a busy machine
SLS = """\
/etc/default/lxc-net:   # else the start of containers waits 30 s for lxcbr0, at boot
  file.managed: [{{contents: 'USE_LXC_BRIDGE="false"'}}]
eno1.43:
  vlan.present: [{{parent: eno1}}, {{id: 43}}, {{persist: saltern}}]
br43:
  bridge.present: [{{ports: [eno1.43]}}, {{stp: false}}, {{forward_delay: 0}}, {{persist: saltern}},
                   {{addresses: [192.168.43.253/24]}}]
on-buster:
  lxc.present:
    - template: busybox
    - interfaces: [{{bridge: br43, name: eth0, address: {address}/24, gateway: 192.168.43.254}}]
    - limits: {{memory: {memory}}}
    - autostart: {{order: 10}}
    - hostname: on-buster
    - dns: [192.168.43.254]
    - ssh_keys: ['{key}']
    - mounts:
      - {{source: /usr/sbin/dropbear, target: /sbin/dropbear, ro: true, create: file}}
      - {{source: /etc/ssl, target: /data}}
    - files:
        /etc/init.d/rcS:
          mode: '0755'
          contents: |
            #!/bin/sh
            mkdir -p /etc/dropbear /dev/pts
            /sbin/dropbear -R -s
    - config: {{lxc.apparmor.profile: [], lxc.apparmor.allow_nesting: []}}
life of it:
  lxc.{life}: [{{name: on-buster}}]
"""


@dataclass(frozen=True, slots=True)
class Site:
    """on-master1, which has the container; `other` is a host in VLAN 43 that has the key."""

    host: Host
    other: Host
    public: str

    def apply(self, *words: str, memory: str = "96M", life: str = "running") -> set[str]:
        """The states that changed something, or would, by function and name; none may fail."""
        self.host.write("/srv/t/container.sls", SLS.format(address=ADDRESS, memory=memory, key=self.public, life=life))
        argv = [str(CALL), "--local", "--file-root", "/srv/t", "--out", "json", "state.apply", "container", *words]
        found = json.loads(self.host.run(argv, timeout_s=90, check=False).stdout)["local"]
        assert isinstance(found, dict), found
        assert [one for one in found.values() if one["result"] is False] == []
        return {_called(key) for key, one in found.items() if one["changes"]}

    def ssh(self, words: str) -> str:
        """What WORDS print in the container, run over SSH across the VLAN; tried until it answers."""
        deadline = time.monotonic() + patient(START_S)
        while (ran := self.other.run(guest.ssh(KEY, ADDRESS, words), check=False)).returncode == 255:
            assert time.monotonic() < deadline, ran.stderr
            time.sleep(0.3)
        return ran.stdout

    def state(self) -> str:
        return self.host.run(["lxc-info", "-n", "on-buster", "-s", "-H"]).stdout.strip()


def _called(key: str) -> str:
    """`lxc.present on-buster` for the key of a result, `lxc_|-id_|-name_|-present`."""
    namespace, _, name, function = key.split("_|-")
    return f"{namespace}.{function} {name}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    key, public = guest.make_key(tmp_path_factory.mktemp("container"))
    try:
        with Lab(["on-master1", "on-filer1"]) as lab:
            host, other = lab["on-master1"], lab["on-filer1"]
            lines = ["link add link eno1 name eno1.43 type vlan id 43", "link set eno1.43 up"]
            lines += ["address add 192.168.43.252/24 dev eno1.43"]
            other.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")
            other.put(key, KEY, mode=0o600)
            host.run(["systemctl", "mask", "lxc-net"])
            host.run(["systemctl", "enable", "lxc"])
            yield Site(host, other, public)
    except LabError as error:
        pytest.fail(str(error), pytrace=False)


def test_a_container_is_converged_and_reached_by_ssh_across_the_vlan(site: Site) -> None:
    done = site.apply()
    assert done - {"file.managed /etc/default/lxc-net"} == {
        "vlan.present eno1.43",
        "bridge.present br43",
        "lxc.present on-buster",
        "lxc.running on-buster",
    }
    assert site.ssh("hostname; cat /etc/resolv.conf").split() == ["on-buster", "nameserver", "192.168.43.254"]
    assert "default via 192.168.43.254 dev eth0" in site.ssh("ip route")
    assert site.other.run(["ping", "-c", "1", "-W", "5", ADDRESS]).returncode == 0
    assert site.apply() == set()


def test_its_memory_is_limited_anew_as_it_runs(site: Site) -> None:
    site.apply()
    pid = site.host.run(["lxc-info", "-n", "on-buster", "-p", "-H"]).stdout
    limit = ["lxc-cgroup", "-n", "on-buster", "memory.max"]
    assert int(site.host.run(limit).stdout) == 96 << 20
    assert site.apply("test=True", memory="64M") == {"lxc.present on-buster"}
    assert int(site.host.run(limit).stdout) == 96 << 20
    assert site.apply(memory="64M") == {"lxc.present on-buster"}
    assert int(site.host.run(limit).stdout) == 64 << 20
    assert site.host.run(["lxc-info", "-n", "on-buster", "-p", "-H"]).stdout == pid


def test_stopped_it_stays_stopped(site: Site) -> None:
    site.apply()
    assert site.apply(life="stopped") == {"lxc.stopped on-buster"}
    assert site.apply(life="stopped") == set()
    assert site.state() == "STOPPED"


def test_after_a_reboot_it_is_back_with_its_address_without_a_master(site: Site) -> None:
    site.apply()
    site.ssh("echo kept >/root/mark")
    site.host.reboot()
    assert site.ssh("cat /root/mark; hostname").split() == ["kept", "on-buster"]
    assert site.state() == "RUNNING"
    assert site.apply() == set()
