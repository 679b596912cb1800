"""Jinja filters of Salt for addresses and networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_KINDS = ("global", "link_local", "loopback", "multicast", "private", "public", "reserved", "site_local", "unspecified")
_HOSTS_LIMIT = 1 << 16


def ipaddr(value: Any, options: str | None = None) -> Any:
    """VALUE if it is an IPv4 or IPv6 address (a prefix length may follow), or those of a list that are; with OPTIONS
    ("private", "loopback,private", …) only addresses of one of these kinds. None where it is not."""
    return _pick(value, (4, 6), options)


def ipv4(value: Any, options: str | None = None) -> Any:
    """As `ipaddr`, IPv4 only."""
    return _pick(value, (4,), options)


def ipv6(value: Any, options: str | None = None) -> Any:
    """As `ipaddr`, IPv6 only."""
    return _pick(value, (6,), options)


def is_ip(value: Any, options: str | None = None) -> bool:
    """Whether VALUE is an IPv4 or IPv6 address."""
    return _address(value, (4, 6), options) is not None


def is_ipv4(value: Any, options: str | None = None) -> bool:
    """Whether VALUE is an IPv4 address."""
    return _address(value, (4,), options) is not None


def is_ipv6(value: Any, options: str | None = None) -> bool:
    """Whether VALUE is an IPv6 address."""
    return _address(value, (6,), options) is not None


def network_hosts(value: Any, options: str | None = None, version: int | None = None) -> Any:
    """The host addresses of a network, or of each network of a list."""
    import ipaddress

    if _is_many(value):
        return [hosts for item in value if (hosts := network_hosts(item, options, version))]
    network = _network(value, version)
    if network is None:
        return []
    if network.num_addresses > _HOSTS_LIMIT:
        raise ValueError(f"{value} has more than {_HOSTS_LIMIT} hosts")
    if network.num_addresses == 1:
        return [str(ipaddress.ip_address(network.network_address))]
    return [str(host) for host in network.hosts()]


def network_size(value: Any, options: str | None = None, version: int | None = None) -> Any:
    """How many addresses a network has, or each network of a list."""
    if _is_many(value):
        return [network_size(item, options, version) for item in value if _network(item, version)]
    network = _network(value, version)
    return network.num_addresses if network is not None else 0


def gen_mac(prefix: str = "AC:DE:48") -> str:
    """A random MAC address that begins with PREFIX (three octets)."""
    import os

    return ":".join([prefix, *(f"{octet:02X}" for octet in os.urandom(3))])


def mac_str_to_bytes(mac: str) -> bytes:
    """A MAC address as its six bytes."""
    digits = mac.replace(":", "").replace("-", "").replace(".", "")
    if len(digits) != 12:
        raise ValueError(f"not a MAC address: {mac!r}")
    return bytes.fromhex(digits)


def _is_many(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def _pick(value: Any, versions: tuple[int, ...], options: str | None) -> Any:
    if _is_many(value):
        return [found for item in value if (found := _address(item, versions, options)) is not None]
    return _address(value, versions, options)


def _address(value: Any, versions: tuple[int, ...], options: str | None) -> str | None:
    """VALUE as it was written if it is an address of these VERSIONS and kinds, else None."""
    import ipaddress

    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        return None
    if found.version not in versions:
        return None
    kinds = [kind.strip().replace("-", "_") for kind in (options or "").split(",") if kind.strip()]
    for kind in kinds:
        if kind not in _KINDS:
            raise ValueError(f"unknown kind of address {kind!r}: one of {', '.join(_KINDS)}")
    if kinds and not any(getattr(found.ip, "is_global" if k == "public" else f"is_{k}", False) for k in kinds):
        return None
    return str(found) if "/" in str(value) else str(found.ip)


def _network(value: Any, version: int | None) -> Any:
    import ipaddress

    try:
        found = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None
    return found if version is None or found.version == version else None


FILTERS = {
    function.__name__: function
    for function in (
        *(ipaddr, ipv4, ipv6, is_ip, is_ipv4, is_ipv6),
        *(network_hosts, network_size, gen_mac, mac_str_to_bytes),
    )
}
