"""The management path: the interfaces that carry the connection to the master; and which steps touch it. Pure.

In doubt a step touches it: the price is a confirmation that was not needed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modules import sysctl
from modules._network.netview import Link, View
from saltern.converge.plan import Call

_WORD = re.compile(r"[^\s/:,;=\"'()\[\]{}]+")
_LONGEST_PATH = 4096
_EVERYWHERE = ("default", "0.0.0.0/0", "::/0")
_MAKERS = frozenset({"add", "make", "create", "replace", "rename", "rename_peer"})
_WIDE = ("net/ipv4/ip_forward", "net/bridge/")


@dataclass(frozen=True, slots=True)
class Path:
    """Where the connection to the master at ADDRESSES leaves: the EGRESS device, all of NAMES that it stands on, and
    the WORDS for people: "eno1 > eno1.43 > br43"."""

    addresses: tuple[str, ...]
    egress: str
    names: frozenset[str]
    words: str


def path(view: View, egress: int, addresses: Sequence[str]) -> Path | None:
    """The path by the device with the index EGRESS; None for the loopback interface or none."""
    link = view.at(egress)
    if link is None or link.is_loopback:
        return None
    names = {below.name for below in _stack(view, link)}
    return Path(tuple(addresses), link.name, frozenset(names), " > ".join(_chain(view, link)))


def _stack(view: View, top: Link) -> Iterator[Link]:
    """TOP and all that it stands on: ports, members, parents, the other end of a veth and what that is a port of."""
    seen: set[int] = set()
    todo = [top]
    while todo:
        link = todo.pop()
        if link.index in seen:
            continue
        seen.add(link.index)
        yield link
        todo += view.ports(link.index)
        if link.parent is not None and not link.parent_elsewhere and (below := view.at(link.parent)):
            todo.append(below)
            if link.kind == "veth" and (master := view.at(below.master)):
                todo.append(master)


def _chain(view: View, top: Link) -> list[str]:
    """One way down from TOP, the lowest first; members of a bond together, guests' ends left out."""
    chain = [top.name]
    seen = {top.index}
    link = top
    while True:
        every = [port for port in view.ports(link.index) if port.index not in seen]
        ports = [port for port in every if not port.is_guests] or every[:1]
        below = view.at(link.parent) if link.parent is not None and not link.parent_elsewhere else None
        if ports:
            chain.insert(0, ",".join(port.name for port in ports))
            link = ports[0]
        elif below and below.index not in seen:
            chain.insert(0, below.name)
            link = below
        else:
            return chain
        seen.add(link.index)


def touches(path: Path, do: Call) -> bool:
    """Whether the step that DOes this touches PATH."""
    module = do.function.__module__.rpartition(".")[2]
    if module == "sysctl":
        return _setting_touches(path, do)
    if do.function.__name__ == "set_default_route":
        return True
    return any(_names(path, text) for text in texts((*do.args, *(value for _, value in do.kwargs))))


def _names(path: Path, text: str) -> bool:
    if path.names & {text, *_WORD.findall(text)} or text in _EVERYWHERE:
        return True
    if path.names & {word.rsplit(".", 1)[0] for word in _WORD.findall(text)}:  # eno1.nmconnection, eno1.43
        return True
    try:
        network = ipaddress.ip_interface(text).network
    except ValueError:
        return False
    return any(ipaddress.ip_address(address) in network for address in path.addresses)


def _setting_touches(path: Path, do: Call) -> bool:
    """Kernel parameters: those of an interface of PATH, or of all."""
    for text in texts(do.args[:1] or [value for key, value in do.kwargs if key == "name"]):
        name = sysctl.path_of(text)
        parts = name.split("/")
        if name.startswith(_WIDE) or (parts[2:3] == ["conf"] and parts[3] in ("all", "default", *path.names)):
            return True
    return False


def texts(values: Iterable[Any]) -> Iterator[str]:
    """All texts in VALUES, at any depth, and the paths among them."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from texts(value.keys())
            yield from texts(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            yield from texts(value)
        elif hasattr(value, "__fspath__"):
            yield str(value)


def writes(do: Call) -> Iterator[str]:
    """The files that the step which DOes this may write, by absolute paths."""
    root = do.args[0] if do.args and isinstance(do.args[0], str) else ""
    below = do.function.__module__.startswith("modules._persist.")
    for text in texts((*do.args, *(value for _, value in do.kwargs))):
        if len(text) > _LONGEST_PATH or "\n" in text or "/" not in text.strip("/"):
            continue
        if text.startswith("/"):
            yield text
        elif below and text.startswith(("etc/", "run/", "usr/")):
            yield f"{root.rstrip('/')}/{text}"


def makes(do: Call) -> Iterator[str]:
    """The interfaces that the step which DOes this may make."""
    if do.function.__name__ in _MAKERS and do.function.__module__.rpartition(".")[2] not in ("route", "address"):
        for text in texts((*do.args, *(value for key, value in do.kwargs if key in ("name", "peer")))):
            if len(text) <= 15 and "/" not in text:
                yield text
