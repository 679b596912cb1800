"""The tests that targets are made of: globs, regular expressions, subnets, each compiled once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from saltern.targeting.errors import TargetError
from saltern.targeting.nested import Test

MAX_PCRE = 1024
"""The longest regular expression, in characters."""

MAX_SUBJECT = 1024
"""The longest value, in characters, that a regular expression is tried on; a longer one does not match."""

_WILDCARDS = frozenset("*?[")
_ID_CHARACTER = re.compile(r"[A-Za-z0-9_.\-*?]")
_CLASS = re.compile(r"\[[!^]?\]?[^\]]*\]")


def is_exact(glob: str) -> bool:
    """Whether GLOB has no wildcard, so that it names one thing."""
    return _WILDCARDS.isdisjoint(glob)


def glob(pattern: str, *, ignore_case: bool = False) -> Test:
    """The test for a glob: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`, on the whole text.

    It is linear however many `*` there are (fnmatch makes their groups atomic).
    """
    if is_exact(pattern):
        if not ignore_case:
            return pattern.__eq__
        lower = pattern.lower()
        return lambda text: text.lower() == lower
    from fnmatch import translate

    try:
        found = re.compile(translate(pattern), re.IGNORECASE if ignore_case else 0)
    except (re.error, RecursionError, OverflowError):  # pragma: no cover - fnmatch quotes all that it does not know
        raise TargetError("this glob can't be read", pattern, 1) from None
    return lambda text: found.match(text) is not None


def id_glob(pattern: str) -> Test:
    """The test for a glob on minion ids. TargetError where it has a character that no id has: a typing error, or
    another kind of target."""
    at = 0
    while at < len(pattern):
        inside = _CLASS.match(pattern, at)
        if inside:
            at = inside.end()
        elif _ID_CHARACTER.match(pattern, at):
            at += 1
        else:
            raise TargetError(f"{pattern[at]!r} stands in no minion id", pattern, at + 1, _other_form(pattern, at))
    return glob(pattern)


def _other_form(pattern: str, at: int) -> str:
    if pattern[at] == "," or (pattern[at] == " " and "," in pattern):
        return "For a list of ids use -L (L@ in a compound expression)."
    if pattern[at] == "@" or pattern[at].isspace():
        return "For a compound expression use -C."
    if pattern[at] == ":":
        return "For a grain use -G (G@ in a compound expression)."
    if pattern[at] in "()|^$+\\{}":
        return "For a regular expression use -E (E@ in a compound expression)."
    return "A glob has letters, digits, '.', '_', '-' and the wildcards * ? [abc]."


def pcre(pattern: str, *, ignore_case: bool = False) -> Test:
    """The test for a Perl-like regular expression (Python's `re`), anchored at the start of the text only, as Salt's.

    Python's engine backtracks, and a pattern such as `(a+)+$` takes time that doubles with each character of the text.
    So pattern and text are limited in length (MAX_PCRE, MAX_SUBJECT), and who tests has to limit the time (`Budget`).
    """
    if not pattern:
        raise TargetError("the regular expression is missing", pattern, 1)
    if len(pattern) > MAX_PCRE:
        raise TargetError(f"a regular expression of more than {MAX_PCRE} characters", pattern, MAX_PCRE + 1)
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "[[" is a FutureWarning of `re`, which helps nobody here
            found = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        column = 1 + (error.pos or 0)
        raise TargetError(f"the regular expression is wrong: {error.msg}", pattern, column) from None
    except (RecursionError, OverflowError, ValueError):
        raise TargetError("this regular expression is too complex", pattern, 1) from None
    return lambda text: len(text) <= MAX_SUBJECT and found.match(text) is not None


def words_of(text: str, delimiter: str, max_words: int) -> list[str]:
    """`key:pattern` as its words. TargetError where there is no pattern, no key, or more words than MAX_WORDS."""
    words = text.split(delimiter)
    if len(words) < 2:
        raise TargetError(
            f"{delimiter!r} and a value are missing behind the key", text, len(text) + 1, f"Write KEY{delimiter}VALUE."
        )
    if not words[0]:
        raise TargetError("the key is missing", text, 1, f"Write KEY{delimiter}VALUE.")
    if len(words) > max_words:
        raise TargetError(f"more than {max_words} keys", text, len(delimiter.join(words[:max_words])) + 1)
    return words


def subnet(text: str) -> Callable[[Any], bool]:
    """The test for an address or a subnet, IPv4 or IPv6, on an iterable of addresses (anything else never matches)."""
    import ipaddress

    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise TargetError(*_subnet_problem(text)) from None
    family_bits, mask, wanted = network.max_prefixlen, int(network.netmask), int(network.network_address)
    parse = _v4 if family_bits == 32 else _v6

    def contains(addresses: Any) -> bool:
        if isinstance(addresses, str) or not isinstance(addresses, Iterable):
            return False
        for address in addresses:
            number = parse(address)
            if number is not None and number & mask == wanted:
                return True
        return False

    return contains


def _subnet_problem(text: str) -> tuple[str, str, int, str]:
    import ipaddress

    address, slash, _ = text.partition("/")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        pass
    else:
        return f"{address} is not the first address of this subnet", text, len(address) + 1, f"Write {network}."
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "not an IP address", text, 1, "Write an address or a subnet: 192.168.43.1, 192.168.43.0/24, fd00::/8."
    hint = "Write the number of bits that the subnet has, as in 192.168.43.0/24 or fd00::/8."
    return "not the length of a subnet", text, len(address + slash) + 1, hint


def _v4(address: Any) -> int | None:
    return _number(address, 2)


def _v6(address: Any) -> int | None:
    return _number(address, 10)


def _number(address: Any, family: int) -> int | None:
    """The address as a number, or None where it is none of FAMILY (2: AF_INET, 10: AF_INET6 of Linux)."""
    from socket import inet_pton

    try:
        return int.from_bytes(inet_pton(family, address), "big")
    except (OSError, TypeError, ValueError):
        return None
