"""OpenNebula's context: the file `context.sh` of a volume CONTEXT, which the guest's root sources. Pure.

The variables are those that OpenNebula's documentation of its guest packages (one-apps context) names. Every value is
quoted for sh, so none can become a command.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from modules._file.owner import bits
from modules._seed.cloud_config import Text, command, hashed, revealed, written_file
from modules._seed.values import Interface, SeedError, clear, ssh_keys
from saltern.secret import Secret

FILE = "context.sh"
HEADER = "# Context variables, made by Saltern\n"
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
# what bash and the guest's own scripts live by: setting one of these would be more than context
_TAKEN = ("PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "LD_PRELOAD", "LD_LIBRARY_PATH", "HOME")


def context(
    interfaces: Sequence[Interface] | None,
    *,
    hostname: str | None = None,
    user_data: str | None = None,
    ssh_keys_: Sequence[str] = (),
    password: str | Secret | None = None,
    runcmd: Sequence[Any] = (),
    write_files: Sequence[Mapping[str, Any]] = (),
    variables: Mapping[str, Any] | None = None,
) -> Text:
    """The text of `context.sh`. USER_DATA is passed on for guests whose cloud-init reads this context; commands and
    files become its start script, files first. VARIABLES are added, and come before what the other arguments say."""
    found: dict[str, str] = {}
    is_secret = False
    if hostname:
        found["SET_HOSTNAME"] = hostname
    if ssh_keys_:
        found["SSH_PUBLIC_KEY"] = "\n".join(ssh_keys(ssh_keys_))
    if password is not None:
        hash_ = hashed(password, hostname, "").reveal()
        found["CRYPTED_PASSWORD_BASE64"], is_secret = _encoded(hash_), True
    if interfaces is not None:
        found["NETWORK"] = "YES"
        for number, one in enumerate(interfaces):
            found.update(_interface(f"ETH{number}", one))
    if runcmd or write_files:
        script, hidden = start_script(runcmd, write_files)
        found["START_SCRIPT_BASE64"], is_secret = _encoded(script), is_secret or hidden
    if user_data is not None:
        found["USER_DATA"], found["USERDATA_ENCODING"] = _encoded(user_data), "base64"
    for name, value in (variables or {}).items():
        text, hidden = _variable(name, value)
        found[name], is_secret = text, is_secret or hidden
    return Text(HEADER + "".join(f"{name}={quoted(value, name)}\n" for name, value in found.items()), is_secret)


def quoted(value: str, name: str) -> str:
    """VALUE in single quotes for sh. SeedError for a NUL, which no shell can hold."""
    if "\0" in value:
        raise SeedError(f"{name}: a NUL byte can't be in a variable")
    return "'" + value.replace("'", "'\\''") + "'"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _variable(name: object, value: object) -> tuple[str, bool]:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN or name.startswith("LD_"):
        raise SeedError(f"variables: {name!r} can't be the name of one (capital letters, digits and '_')")
    if isinstance(value, bool):
        return ("YES" if value else "NO"), False
    if isinstance(value, int | float):
        return str(value), False
    return clear(value, f"variables: {name}")


def _interface(prefix: str, one: Interface) -> dict[str, str]:
    """The variables of an interface. The first address of a family has the plain names, the others are aliases."""
    if one.mac is None:
        raise SeedError(f"the interface {one.name} needs its `mac`: a guest finds the interfaces of a context by it")
    found: dict[str, str] = {"MAC": one.mac}
    v4 = [address for address in one.addresses if isinstance(address, IPv4Interface)]
    v6 = [address for address in one.addresses if isinstance(address, IPv6Interface)]
    if v4:
        found["IP"] = str(v4[0].ip)
        found["MASK"] = str(v4[0].netmask)
        found["NETWORK"] = str(v4[0].network.network_address)
    if v6:
        found["IP6"] = str(v6[0].ip)
        found["IP6_PREFIX_LENGTH"] = str(v6[0].network.prefixlen)
    for gateway in one.gateways:
        found["GATEWAY" if gateway.version == 4 else "IP6_GATEWAY"] = str(gateway)
    if one.dns:
        found["DNS"] = " ".join(str(server) for server in one.dns)
    if one.search:
        found["SEARCH_DOMAIN"] = " ".join(one.search)
    if one.mtu is not None:
        found["MTU"] = str(one.mtu)
    found["METHOD"] = "dhcp" if one.dhcp else "static" if v4 else "skip"
    if v6:
        found["IP6_METHOD"] = "static"  # the default is what METHOD says
    others: list[IPv4Interface | IPv6Interface] = [*v4[1:], *v6[1:]]
    for number, address in enumerate(others):
        alias = f"ALIAS{number}"
        found[f"{alias}_MAC"] = one.mac  # what the guest's scripts list aliases by
        if isinstance(address, IPv4Interface):
            found[f"{alias}_IP"], found[f"{alias}_MASK"] = str(address.ip), str(address.netmask)
        else:
            found[f"{alias}_IP6"] = str(address.ip)
            found[f"{alias}_IP6_PREFIX_LENGTH"] = str(address.network.prefixlen)
    return {f"{prefix}_{name}": value for name, value in found.items()}


def start_script(runcmd: Sequence[Any], write_files: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """A shell script that writes the files and then runs the commands, and whether a secret is in it."""
    lines, is_secret = ["#!/bin/sh"], False
    for one in write_files:
        added, hidden = _writing(written_file(one))
        lines += added
        is_secret |= hidden
    for given in runcmd:
        known = command(given)
        lines.append(known if isinstance(known, str) else shlex.join(known))
    return "\n".join(lines) + "\n", is_secret


def _writing(one: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The lines of sh that write a file of `write_files`."""
    path = shlex.quote(one["path"])
    (content, encoding), hidden = revealed([one.get("content", ""), one.get("encoding", "text/plain")], "write_files")
    if encoding in ("b64", "base64"):
        body = "".join(content.split())
    elif encoding in ("text/plain", ""):
        body = _encoded(content)
    else:
        raise SeedError(f"write_files: {one['path']}: the encoding {encoding!r} is not known here; write text or b64")
    redirect = ">>" if one.get("append") else ">"
    lines = [
        f"mkdir -p -- {shlex.quote(one['path'].rpartition('/')[0] or '/')}",
        f"printf %s {shlex.quote(body)} | base64 -d {redirect} {path}",
    ]
    if "owner" in one:
        lines.append(f"chown -- {shlex.quote(str(one['owner']))} {path}")
    lines.append(f"chmod {bits(one.get('permissions', '0644')):04o} -- {path}")
    return lines, hidden
