"""The files of a NoCloud seed: user-data, meta-data and network-config, as cloud-init documents them. Pure.

All YAML is made by a YAML dumper from values, so no text of an argument can become anything but that text.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from modules._file.owner import mode as octal
from modules._seed.sha512_crypt import crypted, salt_of
from modules._seed.values import Interface, SeedError, clear, is_hash, listed, ssh_keys
from saltern.errors import nearest
from saltern.secret import Secret

HEADER = "#cloud-config\n"
# what cloud-init knows a user data by, in its first line ("User data formats")
STARTS = (
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template:",
    "Content-Type:",
    "MIME-Version:",
)
_DEPTH = 40
_FILE_KEYS = ("path", "content", "encoding", "owner", "permissions", "append", "defer")


class Text:
    """A text that is being made, and whether a secret is in it."""

    __slots__ = ("is_secret", "text")

    def __init__(self, text: str, is_secret: bool = False) -> None:
        self.text, self.is_secret = text, is_secret


def cloud_config(settings: Mapping[str, Any]) -> Text:
    """SETTINGS as user data."""
    plain, is_secret = revealed(settings, "user_data")
    return Text(HEADER + dumped(plain), is_secret)


def dumped(value: Any) -> str:
    """VALUE (plain mappings, lists and scalars) as YAML: keys in their order, long texts as blocks, no aliases."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        if any(mark in data for mark in "\x85\u2028\u2029"):
            style = '"'  # line breaks to YAML 1.1, and lost in any other style
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    made = yaml.dump(value, Dumper=Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1 << 20)
    return str(made)


def revealed(value: Any, where: str, depth: int = 0) -> tuple[Any, bool]:
    """VALUE of plain types with its secrets in clear, and whether there was one. SeedError for what YAML has no form
    for that cloud-init would read."""
    if depth > _DEPTH:
        raise SeedError(f"{where}: nested too deeply")
    if isinstance(value, Secret):
        return value.reveal(), True
    if isinstance(value, Mapping):
        found, secret = {}, False
        for key, item in value.items():
            if not isinstance(key, str | int):
                raise SeedError(f"{where}: the key {key!r} is not a text")
            found[str(key) if isinstance(key, str) else key], inner = revealed(item, f"{where}: {key}", depth + 1)
            secret |= inner
        return found, secret
    if isinstance(value, list | tuple):
        pairs = [revealed(item, where, depth + 1) for item in value]
        return [item for item, _ in pairs], any(secret for _, secret in pairs)
    if isinstance(value, str):
        return str(value), False
    if value is None or isinstance(value, bool | int | float | datetime.date):
        return value, False
    raise SeedError(f"{where}: a value of type {type(value).__name__} can't be given to a guest")


def meta_data(instance_id: str, hostname: str | None) -> str:
    """`meta-data`: what names the instance."""
    return dumped({"instance-id": instance_id, **({"local-hostname": hostname} if hostname else {})})


def network_config(interfaces: Sequence[Interface]) -> str:
    """`network-config` of version 2 for INTERFACES. One with a MAC is found by it, and renamed where it is called
    otherwise: some renderers (ifupdown) know an interface by its name alone."""
    ethernets = {one.name: _ethernet(one) for one in interfaces}
    return dumped({"version": 2, "ethernets": ethernets})


def _ethernet(one: Interface) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if one.mac is not None:
        found = {"match": {"macaddress": one.mac}, "set-name": one.name}
    if one.dhcp:
        found["dhcp4"] = True
    if one.addresses:
        found["addresses"] = [address.with_prefixlen for address in one.addresses]
    if one.gateways:
        found["routes"] = [_default_route(one, gateway) for gateway in one.gateways]
    servers = {"addresses": [str(server) for server in one.dns], "search": list(one.search)}
    if any(servers.values()):
        found["nameservers"] = {key: value for key, value in servers.items() if value}
    if one.mtu is not None:
        found["mtu"] = one.mtu
    return found


def _default_route(one: Interface, gateway: IPv4Address | IPv6Address) -> dict[str, Any]:
    route: dict[str, Any] = {"to": "0.0.0.0/0" if gateway.version == 4 else "::/0", "via": str(gateway)}
    if not any(gateway in address.network for address in one.addresses) and not gateway.is_link_local:
        route["on-link"] = True
    return route


def given_network(network: Mapping[str, Any]) -> tuple[str, bool]:
    """A network configuration that the user wrote, of version 1 or 2 of cloud-init's own formats."""
    inner = network.get("network", network) if len(network) == 1 else network
    if not isinstance(inner, Mapping) or inner.get("version") not in (1, 2):
        raise SeedError("network: a mapping needs `version: 2` (or 1), as cloud-init documents it; or give a list")
    plain, is_secret = revealed(inner, "network")
    return dumped(plain), is_secret


def settings(
    *,
    hostname: str | None,
    ssh_keys_: Sequence[str],
    password: str | Secret | None,
    users: Sequence[Any],
    packages: Sequence[Any],
    runcmd: Sequence[Any],
    write_files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What the arguments are in cloud-config, in a fixed order."""
    found: dict[str, Any] = {}
    if hostname and "." in hostname:
        found["fqdn"] = hostname
    if ssh_keys_:
        found["ssh_authorized_keys"] = list(ssh_keys(ssh_keys_))
    if password is not None:
        found["password"] = hashed(password, hostname, "")
        found["chpasswd"] = {"expire": False}
    if users:
        found["users"] = [_user(one, hostname) for one in users]
    if packages:
        found["packages"] = [_package(one) for one in packages]
    if write_files:
        found["write_files"] = [written_file(one) for one in write_files]
    if runcmd:
        found["runcmd"] = [command(one) for one in runcmd]
    return found


def hashed(password: str | Secret, hostname: str | None, user: str) -> Secret:
    """The hash of PASSWORD for USER on HOSTNAME; one that is a hash already stays. The same arguments give the same
    hash, so that a seed can be compared."""
    text, _ = clear(password, "password")
    if not text:
        raise SeedError("password: it is empty")
    if is_hash(text):
        return Secret(text)
    if text.startswith("$y$") or "\n" in text or "\0" in text:
        raise SeedError("password: a text of one line, or a hash that begins with $6$ or $5$ (cloud-init knows no $y$)")
    return Secret(crypted(text, salt_of(("saltern", hostname or "", user))))


def _user(given: Any, hostname: str | None) -> Any:
    """A user as cloud-init takes it; `password` becomes the hash that it wants, `ssh_keys` its own word for them."""
    if given == "default":
        return given
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str) or not given["name"]:
        raise SeedError("users: each is the word `default` or a mapping with a `name`")
    found = {str(key): value for key, value in given.items() if key not in ("password", "ssh_keys")}
    if "plain_text_passwd" in found:
        raise SeedError(f"users: {given['name']}: write `password`, which is given to the guest as a hash")
    if "ssh_keys" in given:
        if "ssh_authorized_keys" in given:
            raise SeedError(f"users: {given['name']}: ssh_keys and ssh_authorized_keys are the same: name one")
        found["ssh_authorized_keys"] = list(ssh_keys(listed(given["ssh_keys"])))
    if "password" in given:
        if "passwd" in given:
            raise SeedError(f"users: {given['name']}: password and passwd say two different things: name one")
        found["passwd"] = hashed(given["password"], hostname, given["name"])
        found.setdefault("lock_passwd", False)
    return found


def _package(given: Any) -> Any:
    pair = listed(given)
    if not pair or len(pair) > 2 or not all(isinstance(part, str) and part for part in pair):
        raise SeedError(f"packages: each is a name, or a list of a name and a version, not {given!r}")
    return given if isinstance(given, str) else pair


def command(given: Any) -> str | list[str]:
    """An entry of `runcmd`: a line for sh, or a list of words that no shell sees. SeedError for anything else."""
    if isinstance(given, str) and given:
        return given
    if isinstance(given, list | tuple) and given and all(isinstance(word, str | int | float) for word in given):
        return [str(word) for word in given]
    raise SeedError(f"runcmd: each is a line for the shell or a list of words, not {given!r}")


def written_file(given: Any) -> dict[str, Any]:
    """An entry of `write_files`: permissions as four octal digits, bytes that are no text in base64."""
    if not isinstance(given, Mapping) or not isinstance(given.get("path"), str) or not given["path"].startswith("/"):
        raise SeedError("write_files: each is a mapping with a `path`, which is absolute")
    path = given["path"]
    for key in given:
        if key not in _FILE_KEYS:
            raise SeedError(f"write_files: {path}: there is no {key!r}.{nearest(str(key), _FILE_KEYS)}")
    found = {key: given[key] for key in _FILE_KEYS if key in given}
    if isinstance(found.get("content"), bytes):
        if "encoding" in found:
            raise SeedError(f"write_files: {path}: bytes are encoded by themselves; leave `encoding` out")
        found["content"], found["encoding"] = base64.b64encode(found["content"]).decode(), "b64"
    elif "content" in found and not isinstance(found["content"], str | Secret):
        raise SeedError(f"write_files: {path}: content is a text, not {type(found['content']).__name__}")
    if "permissions" in found:
        found["permissions"] = octal(found["permissions"])
    return found


def merged(user_data: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Both in one. SeedError where they name the same key: which of the two is meant can't be known."""
    for key in own:
        if key in user_data:
            raise SeedError(f"user_data names {key!r}, and so does an argument of its own; give it in one place")
    return {**own, **user_data}


def parsed(text: str) -> Mapping[str, Any]:
    """The settings in a user data of the kind `#cloud-config`."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise SeedError(f"user_data{at}: {problem}") from None
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise SeedError("user_data: a #cloud-config is a mapping")
    return found
