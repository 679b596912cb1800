"""Names of hosts that the node itself knows: /etc/hosts, or the file that the setting `hosts.file` names (hosts(5))."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from modules import _hosts_text, config
from modules._file import system_text
from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting, reading

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})")


class HostsError(PermanentError):
    """What was given is no address, or no name of a host."""


@reading
def list_hosts(ctx: Context) -> dict[str, dict[str, list[str]]]:
    """The names by address: {"127.0.0.1": {"aliases": ["localhost"]}}."""
    text = text_of(ctx)
    found: dict[str, None] = dict.fromkeys(ip for ip, _ in _hosts_text.entries(text))
    return {ip: {"aliases": list(_hosts_text.names(text, ip))} for ip in found}


@reading
def get_ip(ctx: Context, host: str) -> str:
    """The first address of HOST, or ""."""
    return next(iter(_hosts_text.addresses(text_of(ctx), host)), "")


@reading
def get_alias(ctx: Context, ip: str) -> list[str]:
    """The names of the address IP."""
    return list(_hosts_text.names(text_of(ctx), ip))


@reading
def has_pair(ctx: Context, ip: str, alias: str) -> bool:
    """Whether a line of the address IP has the name ALIAS."""
    return alias in _hosts_text.names(text_of(ctx), ip)


@acting
def add_host(ctx: Context, ip: str, alias: str) -> bool:
    """Add the name ALIAS to the address IP."""
    return _write(ctx, _hosts_text.with_name(text_of(ctx), checked_address(ip), checked_name(alias)))


@acting
def rm_host(ctx: Context, ip: str, alias: str) -> bool:
    """Take the name ALIAS from the address IP."""
    return _write(ctx, _hosts_text.without_name(text_of(ctx), ip, alias))


@acting
def set_host(ctx: Context, ip: str, alias: str | Sequence[str]) -> bool:
    """Make ALIAS (one name, or several) all names of the address IP; none takes its lines away."""
    wanted = alias.split() if isinstance(alias, str) else alias
    known = tuple(checked_name(name) for name in wanted)
    return _write(ctx, _hosts_text.with_names(text_of(ctx), checked_address(ip), known))


def text_of(ctx: Context) -> str:
    """What the file holds; nothing where there is none."""
    return system_text.text_of(place(ctx))


def place(ctx: Context) -> str:
    """The path of the file."""
    return str(config.get(ctx, "hosts.file", "/etc/hosts", delimiter="\0"))


def checked_address(ip: str) -> str:
    """IP if it is an address. HostsError otherwise."""
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        raise HostsError(f"not an IP address: {ip!r}") from None
    return ip


def checked_name(name: Any) -> str:
    """NAME if it can be one of a host. HostsError otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise HostsError(f"not a name of a host: {name!r}")
    return name


def _write(ctx: Context, text: str) -> bool:
    system_text.put_text(place(ctx), text)
    return True
