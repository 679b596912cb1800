"""The one validator of names that come from outside: minion ids, environments, job ids.

Every name that is sent, typed or configured passes here before it is used as a key, shown, or made part of a path.
"""

from __future__ import annotations

import re

from saltern.errors import UsageError

_MINION_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?")
_SALTENV = re.compile(r"[a-z0-9_-]{1,64}")
_JID = re.compile(r"[0-9]{20}")
_GUEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


class InvalidName(UsageError, ValueError):
    """A name has a form that is not allowed."""


def minion_id(text: object) -> str:
    """TEXT if it may be a minion id: 1-254 of ASCII letters, digits, `.`, `_`, `-`, letters or digits at both ends, no
    `..`; InvalidName otherwise."""
    if isinstance(text, str) and _MINION_ID.fullmatch(text) and ".." not in text:
        return text
    raise InvalidName(f"not a minion id: {text!r} (1-254 ASCII letters, digits, '.', '_', '-'; no '..')")


def saltenv(text: object) -> str:
    """TEXT if it may be the name of an environment ([a-z0-9_-], 1-64); InvalidName otherwise."""
    if isinstance(text, str) and _SALTENV.fullmatch(text):
        return text
    raise InvalidName(f"not an environment: {text!r} (1-64 of a-z, 0-9, '_', '-')")


def jid(text: object) -> str:
    """TEXT if it is a job id: 20 digits, YYYYMMDDhhmmss and microseconds, as Salt's; InvalidName otherwise."""
    if isinstance(text, str) and _JID.fullmatch(text):
        return text
    raise InvalidName(f"not a job id: {text!r} (20 digits)")


def guest(text: object) -> str:
    """TEXT if it may be the name of a guest (a libvirt domain): 1-64 of ASCII letters, digits, `_`, `.`, `+`, `-`, a
    letter or digit first; InvalidName otherwise. It becomes part of XML and of paths."""
    if isinstance(text, str) and _GUEST.fullmatch(text):
        return text
    raise InvalidName(f"not the name of a guest: {text!r} (1-64 ASCII letters, digits, '_', '.', '+', '-')")
