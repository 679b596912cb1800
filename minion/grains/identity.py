"""Who the node is: its id, its host names, its master.

The names come from the kernel and /etc/hosts. The DNS is not asked: an answer that is late would hold every job, and
one that is forged would name the node.
"""

from __future__ import annotations

import json
import os
from typing import Any

from minion.grains import read
from saltern import names as allowed
from saltern.config import Config
from saltern.errors import ConfigError


def minion_id(config: Config) -> str:
    """See `minion.grains.own_id`."""
    wanted = config.id or _joined_id(read.text(str(config.paths.var / "minion/keys/master"))) or os.uname().nodename
    try:
        return allowed.minion_id(wanted)
    except allowed.InvalidName as error:
        place = config.paths.etc / "minion"
        raise ConfigError(f"{error}. Set `id` in {place} to a name that may be one.") from None


def _joined_id(document: str) -> str:
    """The id in what joining left behind, '' where there is none."""
    try:
        found = json.loads(document).get("id") if document else None
    except (ValueError, AttributeError):
        return ""
    return found if isinstance(found, str) else ""


def names(config: Config) -> dict[str, Any]:
    """The names of the host. `fqdn_ip4` and `fqdn_ip6` are the addresses that /etc/hosts has for `fqdn`."""
    return host_names(read.plain(os.uname().nodename), read.text("/etc/hosts"))


def host_names(nodename: str, hosts: str) -> dict[str, Any]:
    """The grains for the kernel's NODENAME and the text of hosts(5)."""
    entries = parse_hosts(hosts)
    fqdn = qualified(nodename, entries)
    host, _, domain = fqdn.partition(".")
    addresses = [address for address, known in entries if fqdn in known or nodename in known]
    return {
        "localhost": nodename,
        "nodename": nodename,
        "fqdn": fqdn,
        "host": host,
        "domain": domain,
        "fqdn_ip4": list(dict.fromkeys(address for address in addresses if ":" not in address)),
        "fqdn_ip6": list(dict.fromkeys(address for address in addresses if ":" in address)),
    }


def parse_hosts(source: str) -> list[tuple[str, list[str]]]:
    """The lines of hosts(5) as (address, names), the canonical name first."""
    words = (entry.partition("#")[0].split() for entry in source.split("\n"))
    return [(found[0], found[1:]) for found in words if len(found) > 1]


def qualified(nodename: str, entries: list[tuple[str, list[str]]]) -> str:
    """NODENAME with its domain, where it has one or hosts(5) knows it."""
    if "." in nodename:
        return nodename
    for _, known in entries:
        if nodename in known:
            for name in known:
                if name.startswith(nodename + ".") and not name.startswith("localhost."):
                    return name
    return nodename


def master(config: Config) -> dict[str, Any]:
    """The address of the master, as configured or joined."""
    if config.master:
        return {"master": config.master}
    document = read.text(str(config.paths.var / "minion/keys/master"))
    try:
        address = json.loads(document).get("address") if document else None
    except (ValueError, AttributeError):
        address = None
    return {"master": address} if isinstance(address, str) else {}


def machine(config: Config) -> dict[str, Any]:
    """machine-id(5)."""
    found = read.line("/etc/machine-id") or read.line("/var/lib/dbus/machine-id")
    return {"machine_id": found} if found and found != "uninitialized" else {}
