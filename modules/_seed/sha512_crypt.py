"""SHA-512 crypt, the password hash `$6$` of crypt(5), so that a guest is never given a password in clear.

After "Unix crypt using SHA-256 and SHA-512" (U. Drepper, 2008), whose steps the comments number. Python has no such
function of its own from 3.13 on, and not every node has the same libcrypt.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha512

ROUNDS = 5000  # the specification's default, which goes unnamed in the hash
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SIZE = 64  # bytes of a SHA-512


def salt_of(words: Iterable[str]) -> str:
    """A salt of 16 characters made of WORDS: the same for the same words. A salt has to be one's own, not secret."""
    digest = sha512("\0".join(words).encode()).digest()
    return "".join(_ALPHABET[byte & 63] for byte in digest[:16])


def crypted(password: str, salt: str) -> str:
    """The hash of PASSWORD with SALT (up to 16 characters count) as `$6$SALT$HASH`."""
    key, grain = password.encode(), salt.encode()[:16]
    inner = sha512(key + grain + key).digest()  # 4-8
    start = sha512(key + grain + _repeated(inner, len(key)))  # 1-3, 9, 10
    length = len(key)
    while length:  # 11
        start.update(inner if length & 1 else key)
        length >>= 1
    digest = start.digest()  # 12
    p = _repeated(sha512(key * len(key)).digest(), len(key))  # 13-16
    s = _repeated(sha512(grain * (16 + digest[0])).digest(), len(grain))  # 17-20
    for number in range(ROUNDS):  # 21
        first, last = (p, digest) if number & 1 else (digest, p)
        middle = (s if number % 3 else b"") + (p if number % 7 else b"")
        digest = sha512(first + middle + last).digest()
    return f"$6${grain.decode()}${_encoded(digest)}"


def _repeated(block: bytes, length: int) -> bytes:
    """BLOCK again and again, up to LENGTH bytes."""
    return (block * (length // _SIZE + 1))[:length]


def _encoded(digest: bytes) -> str:
    """The 64 bytes in the order and the alphabet of step 22: three bytes make four characters, the last one two."""
    text = []
    a, b, c = 0, 21, 42
    for _ in range(21):
        text.append(_characters(digest[a] << 16 | digest[b] << 8 | digest[c], 4))
        a, b, c = b + 1, c + 1, a + 1
    return "".join([*text, _characters(digest[63], 2)])


def _characters(value: int, count: int) -> str:
    return "".join(_ALPHABET[value >> 6 * place & 63] for place in range(count))
