"""What a job that needs states carries: which trees hold, and the pillar, sealed to one minion for one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from saltern.errors import PermanentError
from saltern.secret import Secret
from saltern.wire.manifest import Digest

VERSION = 1
_SECRET_EXT = 1  # the MessagePack extension type that carries a Secret inside a sealed pillar
TREE = "tree key"
PILLAR = "pillar"


class BadBundle(PermanentError, ValueError):
    """A bundle does not decode, or its pillar can't be put into one."""


class TreeRef(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The tree of SALTENV: the blob id of its manifest, and that blob's key sealed to the minion."""

    saltenv: str
    manifest: Digest
    key: bytes


class Bundle(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The trees of all environments and the sealed pillar that was made for SALTENV (empty: for all of them).

    CONTEXT names the request that it answers. It is bound into every box of the bundle, together with the minion's
    fingerprint, so a part of another bundle does not open in this one.
    """

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)]
    saltenv: str
    context: bytes
    trees: list[TreeRef]
    pillar: bytes


class BundleError(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Why there is no bundle: the whole text for the user, with the place where there is one."""

    text: str


@dataclass(frozen=True, slots=True)
class TreeKey:
    """An opened tree reference. KEY never leaves memory."""

    saltenv: str
    manifest: str
    key: bytes

    def __repr__(self) -> str:
        return f"TreeKey({self.saltenv!r}, {self.manifest!r})"


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was opened: its trees and pillar."""

    saltenv: str
    trees: tuple[TreeKey, ...]
    pillar: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Opened({self.saltenv!r}, {self.trees!r})"


class _Pillar(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The inside of the pillar's box. It names the trees, so that trees and pillar are of one making."""

    minion_id: str
    saltenv: str
    trees: list[tuple[str, str]]
    pillar: dict[Any, Any]


def make(
    public: bytes,
    fingerprint: str,
    context: bytes,
    *,
    minion_id: str,
    saltenv: str,
    trees: list[TreeKey],
    pillar: bytes,
) -> Bundle:
    """A bundle for the minion with seal key PUBLIC. PILLAR is what `pack_pillar` gave for the same TREES."""
    from saltern.wire import seal

    bound = seal.context_of(fingerprint, minion_id, saltenv, context)
    refs = [
        TreeRef(
            tree.saltenv,
            tree.manifest,
            seal.seal(public, TREE, seal.context_of(bound, tree.saltenv, tree.manifest), tree.key),
        )
        for tree in trees
    ]
    return Bundle(VERSION, saltenv, context, refs, seal.seal(public, PILLAR, bound, pillar))


def pack_pillar(minion_id: str, saltenv: str, trees: list[TreeKey], pillar: Mapping[str, Any]) -> bytes:
    """The plain inside of a pillar box. BadBundle where a value can't be sent."""
    inside = _Pillar(minion_id, saltenv, [(tree.saltenv, tree.manifest) for tree in trees], dict(pillar))
    try:
        return msgspec.msgpack.encode(inside, enc_hook=_encode_value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadBundle(f"the pillar of {minion_id} has a value that can't be sent: {error}") from None


def plain_pillar(pillar: Mapping[str, Any]) -> bytes:
    """The same bytes for the same pillar. They hold its secrets: only a digest may leave the process."""
    return msgspec.msgpack.encode(pillar, enc_hook=_encode_value)


def open_bundle(private: Secret, fingerprint: str, minion_id: str, bundle: Bundle) -> Opened:
    """What is in BUNDLE. CannotOpen or BadBundle where any part is not of this minion and request.

    The caller has compared `bundle.context` with the request that it made.
    """
    from saltern.wire import seal

    bound = seal.context_of(fingerprint, minion_id, bundle.saltenv, bundle.context)
    plain = seal.open_sealed(private, PILLAR, bound, bundle.pillar)
    try:
        inside = msgspec.msgpack.decode(plain, type=_Pillar, ext_hook=_decode_value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBundle(f"a sealed pillar can't be read: {error}") from None
    if inside.minion_id != minion_id or inside.saltenv != bundle.saltenv:
        raise BadBundle("a bundle was made for another minion or environment")
    if inside.trees != [(tree.saltenv, tree.manifest) for tree in bundle.trees]:
        raise BadBundle("a bundle mixes the pillar of one making with the trees of another")
    trees = tuple(
        TreeKey(
            tree.saltenv,
            tree.manifest,
            seal.open_sealed(private, TREE, seal.context_of(bound, tree.saltenv, tree.manifest), tree.key),
        )
        for tree in bundle.trees
    )
    return Opened(bundle.saltenv, trees, inside.pillar)


def encode(bundle: Bundle) -> bytes:
    """The bytes of BUNDLE."""
    return msgspec.msgpack.encode(bundle)


def decode(data: bytes) -> Bundle:
    """The bundle in DATA; BadBundle where there is none."""
    try:
        return msgspec.msgpack.decode(data, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBundle(f"a bundle can't be read: {error}") from None


def _encode_value(value: object) -> object:
    if isinstance(value, Secret):
        return msgspec.msgpack.Ext(_SECRET_EXT, value.reveal().encode())
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def _decode_value(code: int, data: memoryview) -> object:
    if code != _SECRET_EXT:
        raise ValueError(f"unknown extension {code}")
    return Secret(bytes(data).decode())
