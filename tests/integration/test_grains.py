"""The grains on a real kernel: a network namespace of its own, another user, a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.patience import WAIT_S

REPOSITORY = Path(__file__).parents[2]
COLLECT = """
import json, sys
from pathlib import Path
from minion.grains import collect
from saltern.config import Config
print(json.dumps(collect(Config(root=Path(sys.argv[1]), id="web1"))))
"""
NETWORK = """
import subprocess
for words in [
    "link set lo up",
    "link add br43 type bridge",
    "link add veth0 address 02:00:00:00:00:07 type veth peer name veth1",
    "link set veth0 master br43",
    "addr add 192.168.43.1/24 dev br43",
    "addr add 192.168.43.2/24 dev br43",
    "addr add fd43::1/64 dev br43 nodad",
    "link set br43 up",
    "route add default via 192.168.43.254",
]:
    subprocess.run(["ip", *words.split()], check=True)
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def collected(command: list[str], root: Path, script: str = COLLECT) -> dict[str, Any]:
    ended = subprocess.run(
        [*command, sys.executable, "-c", script, str(root)],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=WAIT_S,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@needs_root
def test_the_network_is_that_of_the_namespace(tmp_path: Path) -> None:
    found = collected(["unshare", "--net"], tmp_path, NETWORK + COLLECT)
    assert set(found["ip_interfaces"]) == {"lo", "br43", "veth0", "veth1"}
    assert found["bridges"] == ["br43"]
    assert found["ip4_interfaces"]["br43"] == ["192.168.43.1", "192.168.43.2"]
    assert "fd43::1" in found["ip6_interfaces"]["br43"]
    assert found["hwaddr_interfaces"]["veth0"] == "02:00:00:00:00:07"
    assert found["ipv4"] == ["127.0.0.1", "192.168.43.1", "192.168.43.2"]
    assert (found["ip4_gw"], found["ip6_gw"], found["ip_gw"]) == ("192.168.43.254", False, True)


@needs_root
def test_many_links_are_all_listed(tmp_path: Path) -> None:
    script = "import subprocess\n" + "".join(
        f'subprocess.run(["ip", "link", "add", "br{n}", "type", "bridge"], check=True)\n' for n in range(60)
    )
    found = collected(["unshare", "--net"], tmp_path, script + COLLECT)
    assert found["bridges"] == sorted(f"br{n}" for n in range(60))


@needs_root
def test_a_user_without_rights_gets_grains_too(tmp_path: Path) -> None:
    # pytest's folder is closed to others, so another root is used: one without any configuration
    unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
    readable = subprocess.run(
        [*unprivileged, sys.executable, "-c", "import saltern"], cwd=REPOSITORY, capture_output=True, timeout=WAIT_S
    )
    if readable.returncode:
        pytest.skip("another user can't run this interpreter")
    found = collected(unprivileged, Path("/nonexistent"))
    assert found["username"] == "nobody"
    assert "127.0.0.1" in found["ipv4"]
    assert found["kvm_usable"] is False


@needs_root
def test_a_guest_of_kvm_is_never_left_running(tmp_path: Path) -> None:
    from minion.grains import kvm_guest

    if not os.path.exists("/dev/kvm"):
        pytest.skip("no /dev/kvm")
    ended = subprocess.run([sys.executable, "-I", "-S", kvm_guest.__file__], timeout=WAIT_S, check=False)
    assert ended.returncode in (0, 1)


def test_all_grains_are_found_in_the_time_of_a_few_programs(tmp_path: Path) -> None:
    from minion.grains import collect
    from saltern.config import Config

    config = Config(root=tmp_path, id="web1")
    collect(config)

    def program() -> None:
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)

    times: dict[Callable[[], object], list[float]] = {partial(collect, config): [], program: []}
    for _ in range(10):
        for work, taken in times.items():
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
    grains, one = map(min, times.values())
    assert grains < 3 * one


def test_one_grain_loads_nothing_heavy() -> None:
    script = (
        "import sys\nbefore = set(sys.modules)\n"
        "from minion.grains import LazyGrains\nfrom saltern.config import Config\n"
        "assert LazyGrains(Config(id='a'))['os']\n"
        "print(*sorted(set(sys.modules) & {'yaml', 'asyncio', 'subprocess', 'socket', 'logging', 'pyroute2', 'zmq'}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=WAIT_S, check=True
    )
    assert ended.stdout.strip() == ""
