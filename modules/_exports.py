"""/etc/exports as text: reading it as exportfs(8) does, writing one entry, and comparing entries by what they mean.

exports(5): a word may be quoted and may hold `\\040`-like octals; a backslash ends a line that goes on; `#` begins a
comment where a word would; `-a,b` after the path gives defaults for the clients behind it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modules._mount.table import escaped
from saltern.errors import PermanentError, nearest

Options = tuple[str, ...]  # in the order in which they were written; of two opposites the last counts
Clients = frozenset[tuple[str, Options]]

WORLD = "*"
# the default, then what it can be instead; the server's table (etab) names all
_GROUPS = (
    ("ro", "rw"),
    ("sync", "async"),
    ("wdelay", "no_wdelay"),
    ("hide", "nohide"),
    ("nocrossmnt", "crossmnt"),
    ("secure", "insecure"),
    ("root_squash", "no_root_squash"),
    ("no_all_squash", "all_squash"),
    ("no_subtree_check", "subtree_check"),
    ("secure_locks", "insecure_locks"),
    ("acl", "no_acl"),
    ("no_pnfs", "pnfs"),
    ("rdirplus", "nordirplus"),
    ("no_security_label", "security_label"),
)
_GROUP = {word: group[0] for group in _GROUPS for word in group}
_VALUES = {"anonuid": "65534", "anongid": "65534", "sec": "sys", "fsid": "", "mountpoint": "", "refer": ""} | {
    "replicas": "",
    "xprtsec": "",
}
_SAME = {
    "auth_nlm": "secure_locks",
    "no_auth_nlm": "insecure_locks",
    "fsid=root": "fsid=0",
    "mp": "mountpoint",
    "no_hide": "nohide",
}
_NOT_WRITTEN = ("no_security_label", "rdirplus", "nocrossmnt")  # names for a default that has none in exports(5)
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


class ExportError(PermanentError, ValueError):
    """An export can't be written so that exports(5) reads it as meant. ARGUMENT: of the state, where it stands."""

    argument: str | None = None


class Entry(NamedTuple):
    """A logical line: its RAW text with line breaks, its PATH ("" for a comment or nothing) and CLIENTS."""

    raw: str
    path: str
    clients: tuple[tuple[str, Options], ...]


def entries(text: str) -> list[Entry]:
    """All logical lines of an exports file, in order; their RAW texts joined are TEXT."""
    found = []
    at = 0
    while at < len(text):
        words, end = _line(text, at)
        path = _without_slash(words[0]) if words else ""
        found.append(Entry(text[at:end], path, tuple(_clients(words[1:])) if words else ()))
        at = end
    return found


def parse(text: str) -> dict[str, dict[str, Options]]:
    """Path → client → options, of an exports file or of the server's table. Several lines of a path are joined."""
    found: dict[str, dict[str, Options]] = {}
    for entry in entries(text):
        if entry.path:
            found.setdefault(entry.path, {}).update(entry.clients)
    return found


def _line(text: str, at: int) -> tuple[list[str], int]:
    """The words of the logical line that begins at AT, and where the next one begins."""
    words: list[str] = []
    word: list[str] = []
    quoted = started = False
    while at < len(text):
        char = text[at]
        if char == "\\" and text.startswith("\\\n", at):
            at += 2
            if not quoted and started:
                words.append("".join(word))
                word, started = [], False
            continue
        if char == "\n":
            at += 1
            break
        if char == '"':
            quoted, started = not quoted, True
        elif not quoted and char in " \t\r\v\f":
            if started:
                words.append("".join(word))
                word, started = [], False
        elif char == "#" and not quoted and not started:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        else:
            word.append(char)
            started = True
        at += 1
    if started:
        words.append("".join(word))
    return [_plain(word) for word in words], at


def _without_slash(path: str) -> str:
    return path.rstrip("/") or "/" if path.startswith("/") else path


def _plain(word: str) -> str:
    if "\\" not in word:
        return word
    raw = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), word.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _clients(words: Iterable[str]) -> Iterable[tuple[str, Options]]:
    """(client, options) of each word; a path without any client is exported to the world."""
    defaults: Options = ()
    seen = False
    for word in words:
        if word.startswith("-"):
            defaults = split(word[1:])
            continue
        seen = True
        host, _, options = word.partition("(")
        yield host or WORLD, defaults + split(options.rstrip(")"))
    if not seen:
        yield WORLD, defaults


def split(options: str) -> Options:
    """`a,b` as words."""
    return tuple(word for word in (part.strip() for part in options.split(",")) if word)


def put(text: str, path: str, clients: Mapping[str, Options] | None) -> str:
    """TEXT with PATH exported to CLIENTS only (None: to nobody). All other lines and comments keep every byte."""
    kept: list[str] = []
    place: int | None = None
    for entry in entries(text):
        if entry.path == path:
            place = len(kept) if place is None else place
        else:
            kept.append(entry.raw)
    if clients:
        place = len(kept) if place is None else place
        if place == len(kept) and kept and not kept[-1].endswith("\n"):
            kept[-1] += "\n"
        kept.insert(place, line(path, clients) + "\n")
    return "".join(kept)


def line(path: str, clients: Mapping[str, Options]) -> str:
    """The entry of PATH, without a line break."""
    words = [f"{host}({','.join(options)})" for host, options in sorted(clients.items())]
    return f"{escaped(path)}\t{' '.join(words)}"


def effective(options: Options) -> frozenset[str]:
    """What OPTIONS come to, defaults left out: (`ro`, `rw`, `sync`) and (`rw`,) are both {`rw`}."""
    chosen: dict[str, str] = {}
    for word in options:
        word = _SAME.get(word, word)
        key, equals, value = word.partition("=")
        key = _SAME.get(key, key)
        chosen[_GROUP.get(key, key)] = f"{key}={value}" if equals else key
    return frozenset(word for key, word in chosen.items() if not _is_default(key, word))


def _is_default(key: str, word: str) -> bool:
    """Whether WORD is what holds anyway for its group or name KEY."""
    if key in _VALUES:
        return word == f"{key}={_VALUES[key]}"
    return key in _GROUP and word == key


def canonical_host(host: str) -> str:
    """HOST as it is compared: networks by prefix length, names in small letters."""
    import ipaddress

    if host in ("", "<world>", "0.0.0.0/0"):
        return WORLD
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        return host if host.startswith("@") else host.lower()
    return str(network.network_address) if "/" not in host else str(network)


def checked_options(options: Iterable[object]) -> Options:
    """OPTIONS if exports(5) knows each and none contradicts another. ExportError with the nearest name."""
    words = [part for option in options for part in str(option).split(",")] if not isinstance(options, str) else []
    words = [word.strip(" ") for word in (options.split(",") if isinstance(options, str) else words)]
    chosen: dict[str, str] = {}
    for word in filter(None, words):
        key, equals, value = word.partition("=")
        full = _SAME.get(key, key)
        if full not in (_VALUES if equals else _GROUP) and full != "mountpoint":  # the one that may have no value
            known = [name for name in _GROUP if name not in _NOT_WRITTEN] + [f"{name}=" for name in _VALUES]
            raise ExportError(f"not an option of an export: {word!r}.{nearest(word, known)}")
        if any(char in value for char in "() \"'\\#") or not value.isprintable():
            raise ExportError(f"not an option of an export: {word!r} (no blank, quote or parenthesis may be in it)")
        group = _GROUP.get(full, full)
        if chosen.get(group, word) != word:
            raise ExportError(f"the options {chosen[group]} and {word} contradict each other")
        chosen[group] = word
    return tuple(chosen.values()) or ("ro",)


def checked_host(host: object) -> str:
    """HOST if it may be a client: a name, `*.domain`, `@netgroup`, an address or a network."""
    text = host if isinstance(host, str) else ""
    if not text or text[0] in "-#" or any(char in text for char in "(),\"'\\#=") or not _one_word(text):
        raise ExportError(f"not a client of an export: {host!r}; it is a host, *.domain, @netgroup, address or network")
    if re.fullmatch(r"[0-9.]+/.*|[0-9a-fA-F:]+:[0-9a-fA-F:]*/.*", text):
        import ipaddress

        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ExportError(f"not a client of an export: {error}") from None
    return text


def _one_word(text: str) -> bool:
    return text.isprintable() and not any(char.isspace() for char in text)
