"""What the groups of the tests have to themselves: each is started by `tests.apart`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apart import apart, outside
from tests.integration.kernel import needs_root, tool

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


def test_links_and_mounts_of_one_are_not_seen_by_another(tmp_path: Path) -> None:
    bridge, mounted = f"slt{os.getpid()}", tmp_path / "mounted"
    mounted.mkdir()
    script = (
        f"ip link add {bridge} type bridge && mount -t tmpfs scratch {mounted} && touch {mounted}/file "
        f"&& ls /sys/class/net /sys/class/net/{bridge}/bridge {mounted} && echo made && read ended"
    )
    with subprocess.Popen(
        apart(["sh", "-ec", script]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        said = list(iter(other.stdout.readline, "made\n"))
        assert {f"{bridge}\n", "ageing_time\n", "file\n"} <= set(said), "there it is"
        assert bridge not in [link["ifname"] for link in json.loads(tool("ip", "-json", "link"))]
        assert not Path("/sys/class/net", bridge).exists()
        assert list(mounted.iterdir()) == []
        other.stdin.close()


def test_what_is_run_apart_has_the_loopback_and_the_control_groups() -> None:
    assert [link["ifname"] for link in json.loads(tool(*apart(["ip", "-json", "link"])))] == ["lo"]
    assert tool(*apart(["ls", "/sys/class/net"])).split() == ["lo"]
    assert tool(*apart(["ls", "/sys/fs/cgroup"])) == tool("ls", "/sys/fs/cgroup")
    assert tool(*apart(["cat", "/sys/class/net/lo/address"])).strip() == "00:00:00:00:00:00"


def test_the_machines_own_network_is_reached_from_there() -> None:
    namespace = ["readlink", "/proc/self/ns/net"]
    script = f"import subprocess; from tests.apart import outside; subprocess.run(outside({namespace}), check=True)"
    assert tool(*apart([sys.executable, "-c", script])) == tool(*outside(namespace))
    assert tool(*apart(namespace)) != tool(*outside(namespace))
