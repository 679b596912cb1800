"""The network as it is now: addresses, hardware addresses, bridges, gateways, resolver."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Any

from minion.grains import addresses, read
from minion.grains.addresses import Address, Link
from saltern.config import Config

_RTF_UP, _RTF_GATEWAY, _RTF_REJECT = 0x1, 0x2, 0x200


def interfaces(config: Config) -> dict[str, Any]:
    """Links and addresses of the network namespace that this process is in."""
    return interfaces_of(addresses.links(), addresses.addresses())


def interfaces_of(links: Sequence[Link], found: Sequence[Address]) -> dict[str, Any]:
    """The grains for LINKS and their addresses. Every link is named, also one without an address."""
    v4: dict[str, list[str]] = {link.name: [] for link in links}
    v6: dict[str, list[str]] = {link.name: [] for link in links}
    names = {link.index: link.name for link in links}
    for address in found:
        if address.index in names:
            (v4 if address.is_v4 else v6)[names[address.index]].append(address.text)
    return {
        "ip_interfaces": {name: v4[name] + v6[name] for name in v4},
        "ip4_interfaces": v4,
        "ip6_interfaces": v6,
        "ipv4": _sorted({text for texts in v4.values() for text in texts}, socket.AF_INET),
        "ipv6": _sorted({text for texts in v6.values() for text in texts}, socket.AF_INET6),
        "hwaddr_interfaces": {link.name: link.mac for link in links if link.mac},
        "bridges": sorted(link.name for link in links if link.kind == "bridge"),
    }


def _sorted(texts: set[str], family: socket.AddressFamily) -> list[str]:
    return sorted(texts, key=lambda text: socket.inet_pton(family, text))


def gateways(config: Config) -> dict[str, Any]:
    """The gateways of the default routes: an address, True for a default route without one, False for none."""
    ip4 = default_gateway4(read.text("/proc/net/route"))
    ip6 = default_gateway6(read.text("/proc/net/ipv6_route"))
    return {"ip4_gw": ip4, "ip6_gw": ip6, "ip_gw": bool(ip4 or ip6)}


def default_gateway4(source: str) -> str | bool:
    """The gateway in the text of /proc/net/route; the route with the least metric wins."""
    best: tuple[int, str | bool] | None = None
    for entry in source.split("\n")[1:]:
        words = entry.split()
        if len(words) < 8 or words[1] != "00000000" or words[7] != "00000000":
            continue
        flags, metric = int(words[3], 16), int(words[6])
        if not flags & _RTF_UP or flags & _RTF_REJECT:
            continue
        # The kernel writes the address as a number in the byte order of the machine.
        gateway = socket.inet_ntop(socket.AF_INET, struct.pack("=I", int(words[2], 16)))
        if best is None or metric < best[0]:
            best = metric, gateway if flags & _RTF_GATEWAY else True
    return best[1] if best else False


def default_gateway6(source: str) -> str | bool:
    """The gateway in the text of /proc/net/ipv6_route; the route with the least metric wins."""
    best: tuple[int, str | bool] | None = None
    for entry in source.split("\n"):
        words = entry.split()
        if len(words) < 10 or words[0] != "0" * 32 or words[1] != "00" or words[9] == "lo":
            continue
        flags, metric = int(words[8], 16), int(words[5], 16)
        if not flags & _RTF_UP or flags & _RTF_REJECT:
            continue
        gateway = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[4]))
        if best is None or metric < best[0]:
            best = metric, gateway if flags & _RTF_GATEWAY else True
    return best[1] if best else False


def dns(config: Config) -> dict[str, Any]:
    """resolv.conf(5)."""
    return {"dns": parse_resolv(read.text("/etc/resolv.conf"))}


def parse_resolv(source: str) -> dict[str, Any]:
    """The grain `dns` for the text of resolv.conf(5): of `domain`, `search` and `sortlist` the last one counts."""
    servers: list[str] = []
    options: list[str] = []
    last: dict[str, list[str]] = {}
    for entry in source.split("\n"):
        words = entry.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] == "options":
            options += words[1:]
        else:
            last[words[0]] = words[1:]
    return {
        "nameservers": servers,
        "ip4_nameservers": [server for server in servers if ":" not in server],
        "ip6_nameservers": [server for server in servers if ":" in server],
        "domain": last.get("domain", [""])[0],
        "search": last.get("search", []),
        "sortlist": last.get("sortlist", []),
        "options": options,
    }
