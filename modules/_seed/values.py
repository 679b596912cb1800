"""What a seed or context is made of, checked: host names, SSH keys, network interfaces. Pure.

Everything here comes from an SLS or a command line and ends up in a file that a guest's root obeys.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from itertools import pairwise
from typing import Any

from modules._network.linkvalues import mac_address
from modules._network.netvalues import BadValue
from saltern.errors import PermanentError, nearest
from saltern.secret import Secret

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_KEY_TYPE = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+")
_HASH = re.compile(r"\$[56]\$(?:rounds=[0-9]+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{43,86}")
MTU = range(68, 65536)  # RFC 791: what every link must carry; the length field of IPv4


class SeedError(PermanentError, ValueError):
    """What a guest was to be told is wrong, or the file in its place is something else."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A guest's interface: found by its MAC, called NAME. Neither ADDRESSES nor DHCP: it is only brought up."""

    name: str
    mac: str | None
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    gateways: tuple[IPv4Address | IPv6Address, ...]
    dns: tuple[IPv4Address | IPv6Address, ...]
    search: tuple[str, ...]
    mtu: int | None
    dhcp: bool


_KEYS = ("name", "mac", "addresses", "gateway", "dns", "search", "mtu", "dhcp")
_ALIASES = {"address": "addresses", "gateways": "gateway", "hwaddr": "mac"}


def interfaces(given: Sequence[Mapping[str, Any]]) -> tuple[Interface, ...]:
    """The interfaces as they were written: mappings of `mac`, `name` (eth0, eth1, … in order), `addresses` with their
    prefix lengths, `gateway` (one a family), `dns`, `search`, `mtu`, `dhcp` (by default where there is no address)."""
    found = tuple(_interface(number, one) for number, one in enumerate(given))
    for what, values in (("mac", [i.mac for i in found if i.mac]), ("name", [i.name for i in found])):
        for value in values:
            if values.count(value) > 1:
                raise SeedError(f"two interfaces have the same {what} {value}")
    return found


def _interface(number: int, given: object) -> Interface:
    where = f"interface {number}"
    if not isinstance(given, Mapping):
        raise SeedError(f"{where}: a mapping of {', '.join(_KEYS)} is wanted, not {_kind(given)}")
    words: dict[str, Any] = {}
    for key, value in given.items():
        name = _ALIASES.get(str(key), str(key))
        if name not in _KEYS:
            raise SeedError(f"{where}: there is no {key!r}.{nearest(name, _KEYS)}")
        if name in words:
            raise SeedError(f"{where}: {name} is given twice")
        if value is not None:
            words[name] = value
    addresses = tuple(_address(where, text) for text in listed(words.get("addresses")))
    gateways = tuple(_plain_address(where, "gateway", text) for text in listed(words.get("gateway")))
    families = [gateway.version for gateway in gateways]
    if len(families) != len(set(families)):
        raise SeedError(f"{where}: two gateways of the same family; name one for IPv4 and one for IPv6")
    for gateway in gateways:
        if not any(address.version == gateway.version for address in addresses):
            raise SeedError(f"{where}: the gateway {gateway} needs an IPv{gateway.version} address beside it")
        if any(address.ip == gateway for address in addresses):
            raise SeedError(f"{where}: {gateway} is its own gateway")
    dhcp = words.get("dhcp", not addresses)
    if not isinstance(dhcp, bool):
        raise SeedError(f"{where}: dhcp is true or false, not {dhcp!r}")
    name = str(words.get("name", f"eth{number}"))
    if not _LINK.fullmatch(name):
        raise SeedError(f"{where}: not the name of an interface: {name!r} (at most 15 letters, digits, '_', '.', '-')")
    return Interface(
        name=name,
        mac=mac(words["mac"], where) if "mac" in words else None,
        addresses=addresses,
        gateways=gateways,
        dns=tuple(_plain_address(where, "dns", text) for text in listed(words.get("dns"))),
        search=tuple(hostname(str(text), f"{where}: search") for text in listed(words.get("search"))),
        mtu=_mtu(where, words["mtu"]) if "mtu" in words else None,
        dhcp=dhcp,
    )


def _address(where: str, text: object) -> IPv4Interface | IPv6Interface:
    if isinstance(text, str) and "/" in text:
        try:
            found = ip_interface(text.strip())
        except ValueError:
            found = None
        if found is not None and not found.ip.is_multicast and not found.ip.is_unspecified:
            network = found.network
            whole = network.prefixlen >= (31 if found.version == 4 else 127)
            if whole or found.ip not in (network.network_address, _broadcast(found)):
                return found
    raise SeedError(f"{where}: not an address of a host with its prefix length: {text!r} (such as 10.0.0.5/24)")


def _broadcast(address: IPv4Interface | IPv6Interface) -> object:
    return address.network.broadcast_address if isinstance(address, IPv4Interface) else None


def _plain_address(where: str, what: str, text: object) -> IPv4Address | IPv6Address:
    try:
        if isinstance(text, str):
            return ip_address(text.strip())
    except ValueError:
        pass
    raise SeedError(f"{where}: {what}: not an IP address: {text!r}")


def _mtu(where: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value in MTU:
        return value
    raise SeedError(f"{where}: not an MTU: {value!r} ({MTU.start}-{MTU.stop - 1} bytes)")


def mac(text: object, where: str = "interface") -> str:
    """TEXT as a MAC address in lower case with colons. SeedError for anything else, and for one of a group."""
    try:
        return mac_address(text.strip() if isinstance(text, str) else text)
    except BadValue as error:
        raise SeedError(f"{where}: {error}") from None


def hostname(text: str, where: str = "hostname") -> str:
    """TEXT if it is a host or domain name (RFC 1123: labels of letters, digits, '-', at most 253 in all)."""
    if len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split(".")):
        return text
    raise SeedError(f"{where}: not a host name: {text!r} (labels of letters, digits and '-', at most 63 each)")


def ssh_keys(given: Sequence[str]) -> tuple[str, ...]:
    """The public keys, one line each, as of authorized_keys (sshd(8)); options before the type may stand."""
    return tuple(ssh_key(text) for text in listed(given))


def ssh_key(text: object) -> str:
    """TEXT if it is one public SSH key, without blanks at its ends. SeedError names what is wrong with it."""
    line = text.strip() if isinstance(text, str) else ""
    if "PRIVATE KEY" in line:
        raise SeedError("ssh_keys: that is a private key; give the line of its .pub file")
    if not line or not line.isprintable():
        raise SeedError("ssh_keys: a public key is one line, as in a .pub file: TYPE BASE64 COMMENT")
    words = line.split()
    for word, body in pairwise(words):
        if _KEY_TYPE.fullmatch(word) and _holds(body, word):
            return line
    raise SeedError(f"ssh_keys: not a public SSH key: {line[:60]!r}; the line of a .pub file is wanted, whole")


def _holds(body: str, kind: str) -> bool:
    """Whether BODY is the base64 of a key of KIND, which it names itself (RFC 4253, 6.6)."""
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return False
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size] == kind.encode() and len(data) > 4 + size


def is_hash(password: str) -> bool:
    """Whether PASSWORD is a hash already (`$5$…` or `$6$…`: what every version of cloud-init knows as one)."""
    return _HASH.fullmatch(password) is not None


def listed(value: object) -> list[Any]:
    """VALUE as a list: None is none, a single one is one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def clear(value: object, what: str) -> tuple[str, bool]:
    """The text VALUE, and whether it was a secret."""
    if isinstance(value, Secret):
        return value.reveal(), True
    if isinstance(value, str):
        return value, False
    raise SeedError(f"{what}: a text is wanted, not {_kind(value)}")


def _kind(value: object) -> str:
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value), f"{type(value).__name__}")
