"""The text of an authorized_keys file: the keys in it, and the same text with one more or less (sshd(8)). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from saltern.errors import PermanentError, nearest

KINDS = (
    "ssh-rsa",
    "ssh-ed25519",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_SHORT = {"rsa": "ssh-rsa", "ed25519": "ssh-ed25519", "dsa": "ssh-dss", "dss": "ssh-dss"}
_WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+')


class BadKey(PermanentError):
    """A text that is no public key."""


class Key(NamedTuple):
    """A public key: its kind, the base64 text that it is known by, and what its line says beside."""

    kind: str
    key: str
    comment: str = ""
    options: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As a line of the file."""
        words = [",".join(self.options), self.kind, self.key, self.comment]
        return " ".join(word for word in words if word)


def parsed(line: str) -> Key | None:
    """What LINE of the file says; None for a comment, an empty line, and what is no key."""
    words = _WORD.findall(line)
    if not words or words[0].startswith("#"):
        return None
    at = 0 if words[0] in KINDS else 1
    if len(words) < at + 2 or words[at] not in KINDS:
        return None
    rest = line.split(words[at + 1], 1)[1].strip()
    options = tuple(_comma_parts(words[0])) if at else ()
    return Key(words[at], words[at + 1], rest, options)


def given(text: str, kind: str = "ssh-rsa", comment: str = "", options: Sequence[str] = ()) -> Key:
    """The key that a user wrote: a whole line, or the base64 TEXT alone with KIND, COMMENT and OPTIONS beside it. What
    the line says wins. BadKey where it is none."""
    text = text.strip()
    if "\n" in text or "\n" in comment or any("\n" in option for option in options):
        raise BadKey("a key is one line")
    found = parsed(text)
    if found is None:
        if " " in text:
            raise BadKey(f"not a public key: {text[:60]!r}; it reads `ssh-ed25519 AAAA… comment`")
        known = _SHORT.get(kind, _SHORT.get(kind.lower(), kind))
        if known not in KINDS:
            raise BadKey(f"there is no kind of key {kind!r}.{nearest(kind, [*KINDS, *_SHORT])}")
        found = Key(known, text)
    _check(found)
    return found._replace(comment=found.comment or comment, options=found.options or tuple(options))


def keys(text: str) -> Iterator[Key]:
    """The keys of the file's TEXT."""
    return (key for line in text.splitlines() if (key := parsed(line)) is not None)


def with_key(text: str, wanted: Key) -> str:
    """TEXT with the line of WANTED, in the place of the line that has the same key."""
    lines, found = [], False
    for line in text.splitlines():
        key = parsed(line)
        if key is None or key.key != wanted.key:
            lines.append(line)
        elif not found:
            lines.append(wanted.line)
            found = True
    return "".join(line + "\n" for line in [*lines, *([] if found else [wanted.line])])


def without_keys(text: str, unwanted: Iterable[str]) -> str:
    """TEXT without the lines of the keys (base64 texts) UNWANTED."""
    gone = set(unwanted)
    lines = [line for line in text.splitlines() if (key := parsed(line)) is None or key.key not in gone]
    return "".join(line + "\n" for line in lines)


def _check(key: Key) -> None:
    """BadKey where the base64 text is not of a key of its kind (RFC 4253, 6.6: the kind stands in it)."""
    try:
        data = base64.b64decode(key.key, validate=True)
    except (binascii.Error, ValueError):
        raise BadKey(f"not a public key: {key.key[:40]!r} is no base64") from None
    name = key.kind.encode()
    if data[4 : 4 + len(name)] != name or int.from_bytes(data[:4], "big") != len(name):
        raise BadKey(f"the key {key.key[:40]!r}… is not of the kind {key.kind}")


def _comma_parts(text: str) -> list[str]:
    """TEXT split at commas outside quotes."""
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', text)
