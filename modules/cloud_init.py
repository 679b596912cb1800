"""The volume that tells a guest who it is when it starts: cloud-init's NoCloud seed, or OpenNebula's context.

The contents are made of the same arguments for both. They are compared, and shown, by what the files say; the volume
is only their envelope.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from modules._file import owner as file_owner
from modules._file import safe
from modules._file.contents import Contents, drain
from modules._seed import cloud_config as config
from modules._seed import context_sh, values
from modules._seed import iso as seed_iso
from modules._seed.cloud_config import Text
from modules._seed.values import SeedError
from saltern.marks import acting, reading
from saltern.secret import Secret

Format = Literal["nocloud", "opennebula"]
LABELS: Mapping[Format, str] = {"nocloud": "cidata", "opennebula": "CONTEXT"}
HOLDS_A_SECRET = "holds a secret"  # noqa: S105 - the words that are shown instead of one
_MARK = "# secret: "  # a comment in meta-data or context.sh; then the names of the files that must not be shown


@dataclass(frozen=True, slots=True)
class Seed:
    """The FILES of a seed or context, by name, and the LABEL of the volume that they come on."""

    label: str
    files: Mapping[str, Contents]

    def diff(self, new: object) -> str:
        """What a change to NEW looks like, file by file; of a file with a secret in it, only which settings differ."""
        if not isinstance(new, Seed):
            return f"{self!r} -> {new!r}"
        parts = [] if self.label == new.label else [f"label: {self.label} -> {new.label}\n"]
        for name in dict.fromkeys((*self.files, *new.files)):
            before, after = self.files.get(name, _NONE), new.files.get(name, _NONE)
            if before != after:
                parts.append(f"{name}:\n{_file_diff(before, after)}")
        return "".join(parts)


_NONE = Contents(b"")


def _file_diff(before: Contents, after: Contents) -> str:
    if not (before.hidden or after.hidden):
        return before.diff(after)
    old, new = _settings(before), _settings(after)
    differing = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
    named = f"; what differs: {', '.join(differing)}" if differing else ""
    return f"<{HOLDS_A_SECRET}{named}>\n"


def _settings(contents: Contents) -> dict[str, object]:
    """The settings (of YAML) or variables (of context.sh) in CONTENTS, by name; none in anything else."""
    text = (contents.data or b"").decode("utf-8", "replace")
    if text.startswith(context_sh.HEADER):
        lines = [line.partition("=") for line in text.splitlines() if not line.startswith("#")]
        return {name: value for name, sign, value in lines if sign and name.isidentifier()}
    try:
        return {str(key): value for key, value in config.parsed(text).items()}
    except SeedError:
        return {}


def seed(
    *,
    hostname: str | None = None,
    instance_id: str | None = None,
    user_data: str | Secret | Mapping[str, Any] | None = None,
    vendor_data: str | Secret | Mapping[str, Any] | None = None,
    ssh_keys: Sequence[str] = (),
    password: str | Secret | None = None,
    users: Sequence[Any] = (),
    packages: Sequence[Any] = (),
    runcmd: Sequence[Any] = (),
    write_files: Sequence[Mapping[str, Any]] = (),
    interfaces: Sequence[Mapping[str, Any]] | None = None,
    network: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    format: Format = "nocloud",
) -> Seed:
    """The seed (or with FORMAT `opennebula` the context) that these arguments mean. Pure: the same arguments, the same
    bytes. SeedError where one of them is wrong or says nothing in that format. See the state `cloud_init.seed`."""
    if hostname is not None:
        values.hostname(hostname)
    if interfaces is not None and network is not None:
        raise SeedError("network is given both as a list of interfaces and as a mapping: name one")
    links = None if interfaces is None else values.interfaces(interfaces)
    if format == "opennebula":
        unsaid = {
            "instance_id": instance_id,
            "vendor_data": vendor_data,
            "users": users,
            "packages": packages,
            "network (a mapping)": network,
        }
        for name, value in unsaid.items():
            if value:
                raise SeedError(f"{name} can't be said in OpenNebula's context; leave it out, or use format: nocloud")
        shared = _user_text(user_data, "user_data")
        text = context_sh.context(
            links,
            hostname=hostname,
            user_data=shared.text if shared else None,
            ssh_keys_=ssh_keys,
            password=password,
            runcmd=runcmd,
            write_files=write_files,
            variables=variables,
        )
        hidden = text.is_secret or (shared is not None and shared.is_secret)
        return _marked("CONTEXT", {context_sh.FILE: Text(text.text, hidden)}, context_sh.FILE)
    if variables:
        raise SeedError("variables are OpenNebula's: they need format: opennebula")
    own = config.settings(
        hostname=hostname,
        ssh_keys_=ssh_keys,
        password=password,
        users=users,
        packages=packages,
        runcmd=runcmd,
        write_files=write_files,
    )
    files = _user_files(user_data, vendor_data, own)
    if links is not None:
        files["network-config"] = Text(config.network_config(links))
    elif network is not None:
        files["network-config"] = Text(*config.given_network(network))
    instance = instance_id or f"iid-{_digest(hostname, files)}"
    if not instance.isprintable():
        raise SeedError(f"instance_id: a text of one line is wanted, not {instance!r}")
    derived = not instance_id and any(text.is_secret for text in files.values())  # a digest tells a guess from a hit
    files["meta-data"] = Text(config.meta_data(instance, hostname), derived)
    return _marked("cidata", files, "meta-data")


def _user_files(
    user_data: str | Secret | Mapping[str, Any] | None,
    vendor_data: str | Secret | Mapping[str, Any] | None,
    own: Mapping[str, Any],
) -> dict[str, Text]:
    """user-data and, where it is needed, vendor-data. OWN settings join a user data that is a cloud-config; beside a
    script they come as vendor data, which cloud-init reads too and puts below the user's."""
    vendor = _user_text(vendor_data, "vendor_data")
    given = user_data if isinstance(user_data, Mapping) else _user_text(user_data, "user_data")
    if isinstance(given, Text) and own and given.text.startswith(config.HEADER):
        merged = config.merged(config.parsed(given.text), own)
        made = config.cloud_config(merged)
        given = Text(made.text, made.is_secret or given.is_secret)
    elif isinstance(given, Mapping) or given is None:
        given = config.cloud_config(config.merged(given or {}, own))
    elif own and vendor is not None:
        named = ", ".join(own)
        raise SeedError(f"user_data is no cloud-config and vendor_data is given, so there is no place for {named}")
    elif own:
        vendor = config.cloud_config(own)
    return {"user-data": given, **({"vendor-data": vendor} if vendor is not None else {})}


def _user_text(given: str | Secret | Mapping[str, Any] | None, what: str) -> Text | None:
    """GIVEN as a text that cloud-init knows by its first line; None for none. SeedError for any other."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        return config.cloud_config(given)
    text, is_secret = values.clear(given, what)
    if not text.startswith(config.STARTS):
        raise SeedError(
            f"{what}: cloud-init would not know what it is; its first line must begin with one of "
            f"{', '.join(config.STARTS)}, or give a mapping"
        )
    return Text(text if text.endswith("\n") else text + "\n", is_secret)


def _digest(hostname: str | None, files: Mapping[str, Text]) -> str:
    """What names an instance that is to be as FILES say: other contents, another instance."""
    hashed = sha256((hostname or "").encode())
    for name, text in sorted(files.items()):
        body = text.text.encode()
        hashed.update(f"\0{name}\0{len(body)}\0".encode() + body)
    return hashed.hexdigest()[:20]


def _marked(label: str, files: Mapping[str, Text], where: str) -> Seed:
    """FILES as a seed. Which of them must not be shown is noted in the file WHERE, for who reads the seed later."""
    secrets = sorted(name for name, text in files.items() if text.is_secret)
    found = {}
    for name, text in sorted(files.items()):
        note = f"{_MARK}{' '.join(secrets)}\n" if secrets and name == where else ""
        head, body = ("", text.text) if where != context_sh.FILE else (context_sh.HEADER, text.text[_HEAD:])
        hidden = HOLDS_A_SECRET if text.is_secret else None
        found[name] = Contents((head + note + body).encode("utf-8", "surrogateescape"), hidden=hidden)
    return Seed(label, found)


_HEAD = len(context_sh.HEADER)


def hidden_names(files: Mapping[str, bytes]) -> frozenset[str]:
    """Which of FILES, as a seed holds them, must not be shown."""
    for name in ("meta-data", context_sh.FILE):
        for line in files.get(name, b"").decode("utf-8", "replace").splitlines()[:2]:
            if line.startswith(_MARK):
                return frozenset(line.removeprefix(_MARK).split())
    return frozenset()


def missing() -> str | None:
    """Why no seed can be read or made on this node, or None."""
    from importlib.util import find_spec

    return None if find_spec("pycdlib") else "the Python module pycdlib is not installed on this node: saltern[kvm]"


@reading
def read(path: str) -> Seed | None:
    """The seed or context at PATH; None where there is no such file. SeedError where something else is there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        known = stat.S_ISREG(status.st_mode) and status.st_size <= seed_iso.MOST_BYTES
        data = drain(fd, status.st_size) if known else b""
    finally:
        os.close(fd)
    label = seed_iso.label_of(data)
    if label is None:
        raise SeedError(f"{path} is there and is no seed (a volume labelled cidata or CONTEXT); it is not replaced")
    try:
        files = seed_iso.read(data)
    except SeedError:
        files = {}  # a damaged seed differs from every other and may be made anew
    names = hidden_names(files)
    found = {
        name: Contents(body, hidden=HOLDS_A_SECRET if name in names else None) for name, body in sorted(files.items())
    }
    return Seed("cidata" if label == "CIDATA" else label, found)


@reading
def show(path: str) -> dict[str, Any] | None:
    """The label and the files of the seed or context at PATH, as texts; None where there is no such file. A file with
    a secret in it is only named."""
    found = read(path)
    if found is None:
        return None
    shown = {
        name: repr(body) if body.hidden else (body.data or b"").decode("utf-8", "backslashreplace")
        for name, body in found.files.items()
    }
    return {"label": found.label, "files": shown}


@acting
def write(
    path: str,
    files: Mapping[str, Contents | Secret | bytes | str],
    *,
    label: str = "cidata",
    user: str | int | None = None,
    group: str | int | None = None,
    mode: str | int = "0600",
) -> bool:
    """Make PATH the volume LABEL with FILES, all at once; one that holds them already is only given owner and mode. A
    guest that runs goes on with the old volume until it starts anew. SeedError where something else than a seed is
    there."""
    plain = {name: _bytes(body) for name, body in files.items()}
    found = read(path)
    uid = None if user is None else file_owner.uid(user)
    gid = None if group is None else file_owner.gid(group)
    if found is not None and found.label == label and {name: c.data for name, c in found.files.items()} == plain:
        safe.set_attributes(path, uid=uid, gid=gid, mode=file_owner.bits(mode))
        return True
    safe.write(path, [seed_iso.iso(plain, label)], uid=uid, gid=gid, mode=file_owner.bits(mode))
    return True


def _bytes(body: Contents | Secret | bytes | str) -> bytes:
    if isinstance(body, Contents):
        return b"".join(body.chunks())
    if isinstance(body, Secret):
        return body.reveal().encode()
    return body.encode() if isinstance(body, str) else body
