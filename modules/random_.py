"""Random values (the namespace `random`). Those with SEED are the same each time for the same seed, so that a template
gives the same twice; the others come from the kernel and are fit for passwords."""

from __future__ import annotations

import random as _random
import secrets
import string
from collections.abc import Sequence
from typing import Any

from saltern.context import Context
from saltern.errors import PermanentError, UsageError, nearest
from saltern.marks import reading

_MOST = 1 << 20  # characters


class RandomError(PermanentError):
    """A random value that can't be."""


@reading
def get_str(
    length: int = 20,
    chars: str | None = None,
    lowercase: bool = True,
    uppercase: bool = True,
    digits: bool = True,
    punctuation: bool = True,
    whitespace: bool = False,
    printable: bool = False,
) -> str:
    """A text of LENGTH characters, of CHARS or of those kinds that are True (PRINTABLE: of all that print)."""
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= _MOST:
        raise RandomError(f"length wants a number from 1 to {_MOST}, not {length!r}")
    if chars is not None and not isinstance(chars, str):
        raise RandomError(f"chars wants a text, not {chars!r}")
    kinds = (
        (lowercase, string.ascii_lowercase),
        (uppercase, string.ascii_uppercase),
        (digits, string.digits),
        (punctuation, string.punctuation),
        (whitespace, string.whitespace),
    )
    found = chars or (string.printable if printable else "".join(kind for wanted, kind in kinds if wanted))
    if not found:
        raise RandomError("there are no characters to take from")
    return "".join(secrets.choice(found) for _ in range(length))


@reading
def rand_int(start: int = 1, end: int = 10, seed: Any = None) -> int:
    """A whole number from START to END."""
    for number in (start, end):
        if isinstance(number, bool) or not isinstance(number, int):
            raise RandomError(f"rand_int wants whole numbers, not {number!r}")
    if end < start:
        raise RandomError(f"there is no number from {start} to {end}")
    return _source(seed).randint(start, end)


@reading
def sample(value: Sequence[Any] | str, size: int, seed: Any = None) -> Any:
    """SIZE members of VALUE (a list, or a text with commas), none twice."""
    found = value.split(",") if isinstance(value, str) else list(value)
    if isinstance(size, bool) or not isinstance(size, int):
        raise RandomError(f"size wants a whole number, not {size!r}")
    if not 0 <= size <= len(found):
        raise RandomError(f"a sample of {len(found)} members can't have {size}")
    picked = _source(seed).sample(found, size)
    return ",".join(picked) if isinstance(value, str) else picked


@reading
def shuffle(value: Sequence[Any] | str, seed: Any = None) -> Any:
    """The members of VALUE (a list, or a text with commas) in another order."""
    return sample(value, len(value.split(",") if isinstance(value, str) else value), seed)


@reading
def seed(ctx: Context, range: int = 10, hash: Any = None) -> int:
    """A number from 0 to RANGE - 1 that is always the same for HASH (default: the node's id): to spread work."""
    if isinstance(range, bool) or not isinstance(range, int) or range < 1:
        raise RandomError(f"range wants a number from 1, not {range!r}")
    return _random.Random(f"{ctx.id if hash is None else hash}").randrange(range)  # noqa: S311 - spreads load


@reading
def hash_(value: str, algorithm: str = "sha512") -> str:
    """The digest of the text VALUE in hex."""
    import hashlib

    if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
        known = sorted(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake"))
        raise UsageError(f"there is no hash {algorithm!r}.{nearest(algorithm, known)}")
    return hashlib.new(algorithm, value.encode(), usedforsecurity=False).hexdigest()


@reading
def str_encode(value: str, encoder: str = "base64") -> str:
    """The text VALUE in another form: base64 (with a newline at its end, as Salt) or hex."""
    import binascii

    forms = {"base64": lambda data: binascii.b2a_base64(data).decode(), "hex": bytes.hex}
    if encoder not in forms:
        raise UsageError(f"there is no encoder {encoder!r}.{nearest(encoder, forms)} There are {', '.join(forms)}.")
    return forms[encoder](str(value).encode())


@reading
def shadow_hash(crypt_salt: str | None = None, password: str | None = None, algorithm: str = "sha512") -> str:
    """The hash of PASSWORD (default: a random one) as /etc/shadow has it (crypt(5)), by sha512, with CRYPT_SALT or a
    random salt."""
    from modules._seed.sha512_crypt import crypted

    if algorithm != "sha512":
        raise UsageError(f"there is only sha512 here, not {algorithm!r}")
    letters = string.ascii_letters + string.digits + "./"
    salt = crypt_salt or "".join(secrets.choice(letters) for _ in "0123456789abcdef")
    return crypted(password or get_str(), salt)


def _source(seed: Any) -> _random.Random:
    """Where random numbers come from: the kernel, or SEED."""
    if seed is None:
        return _random.SystemRandom()
    return _random.Random(seed if isinstance(seed, int | float | str) else str(seed))  # noqa: S311 - the caller's wish
