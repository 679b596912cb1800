"""What tests on the real kernel share: network namespaces of their own, and the engine's loop in its smallest form."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from saltern.converge.plan import Plan, Unset
from saltern.kept import scope
from saltern.marks import permit_acting
from tests.patience import WAIT_S
from tests.plans import context


@contextmanager
def network_namespace(name: str) -> Iterator[None]:
    """Run the block's thread inside a fresh network namespace, and remove that afterwards."""
    from pyroute2 import netns

    ip("netns", "add", name)  # in a process of its own: pyroute2's own way leaves sockets open here
    try:
        netns.pushns(name)
        try:
            yield
        finally:
            netns.popns()
    finally:
        ip("netns", "delete", name)


def ip(*words: str) -> str:
    """What iproute2 says: the second opinion on the kernel's state."""
    ran = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def configured() -> tuple[list[tuple[Any, ...]], list[tuple[str, str]], list[str]]:
    """What somebody set in this network: links, addresses, routes. Without carriers, IPv6 link-local addresses and
    whether an address is a duplicate, which the kernel settles in its own time."""
    shown = json.loads(ip("-json", "addr"))
    links = [
        (link["ifname"], link["mtu"], link["address"], "UP" in link["flags"], link.get("master")) for link in shown
    ]
    addresses = [
        (link["ifname"], f"{address['local']}/{address['prefixlen']}")
        for link in shown
        for address in link["addr_info"]
        if not address["local"].startswith("fe80:")
    ]
    return links, addresses, routes("route")


def routes(*words: str) -> list[str]:
    """The routes that iproute2 shows, without whether a carrier is there."""
    return [route.replace(" linkdown", "").strip() for route in ip(*words).splitlines()]


def differs(current: object, wish: object) -> bool:
    """As the engine compares: what is UNSET in the wish is not managed."""
    if current is None or wish is None or not is_dataclass(wish):
        return current != wish
    return any(
        getattr(current, field.name) != getattr(wish, field.name)
        for field in fields(wish)
        if not isinstance(getattr(wish, field.name), Unset)
    )


class Node:
    """States called one after the other on this kernel."""

    def __init__(self, folder: Path) -> None:
        self.ctx = context(folder)

    def plan(self, state: Callable[..., Plan], name: str, **arguments: Any) -> Plan:
        """A plan that keeps the engine's two rules: a difference has steps, and steps have a difference."""
        plan = state(self.ctx, name, **arguments)
        if plan.unknown is None:
            assert bool(plan.steps) == differs(plan.current, plan.wish), plan
        return plan

    def apply(self, state: Callable[..., Plan], name: str, **arguments: Any) -> list[str]:
        """Plan, run the steps, and hold the node to have become what was wished, with nothing left to do. The
        sentences of the steps."""
        with scope():
            plan = self.plan(state, name, **arguments)
            assert plan.unknown is None, plan.unknown
            with permit_acting():
                for step in plan.steps:
                    step.do()
            again = self.plan(state, name, **arguments)
            assert not differs(again.current, again.wish), (again.current, again.wish)
            assert again.steps == ()
        assert self.plan(state, name, **arguments) == again, "what the run followed is what is there"
        return [step.sentence for step in plan.steps]


needs_root = os.geteuid() != 0


@contextmanager
def mount_namespace(overlaid: tuple[str, ...] = (), scratch: str = "") -> Iterator[None]:
    """Run the block inside a mount namespace of its own, where changes below the OVERLAID folders go to SCRATCH and
    are gone with it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    here = os.getcwd()
    home = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    assert libc.unshare(0x00020000) == 0, os.strerror(ctypes.get_errno())  # CLONE_NEWNS
    try:
        tool("mount", "--make-rprivate", "/")
        if overlaid:
            tool("mount", "-t", "tmpfs", "scratch", scratch)  # overlayfs wants no overlay below its upper folder
        for number, folder in enumerate(overlaid):
            upper, work = f"{scratch}/{number}", f"{scratch}/{number}.work"
            os.mkdir(upper)
            os.mkdir(work)
            tool("mount", "-t", "overlay", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}", "x", folder)
        yield
    finally:
        deadline = time.monotonic() + WAIT_S
        while libc.setns(home, 0) != 0:  # EINVAL while a thread that read a program's output is still ending
            assert time.monotonic() < deadline, os.strerror(ctypes.get_errno())
            time.sleep(0.01)
        os.close(home)
        os.chdir(here)


def tool(*argv: str) -> str:
    """What a program says."""
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
