"""What the master and its bundle worker say to each other: length-prefixed MessagePack of a closed set of types."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgspec

from saltern.config import MasterConfig
from saltern.secret import Secret

LENGTH = struct.Struct("<I")
MAX_BYTES = 512 << 20
PILLAR_KEY = "keys/pillar.key"  # of sealed values, below the folder that the master keeps its things in


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Asked(_Message, frozen=True):
    """A bundle for the minion ID with the key of FINGERPRINT, sealed to SEAL_PUBLIC for CONTEXT (what asked for it).

    With an empty SEAL_PUBLIC only the pillar is wanted, in clear, for the master's own use (targets by pillar).
    SALTENV limits the pillar to one of its environments; OVERRIDE is laid over the pillar.
    """

    id: str
    fingerprint: str
    seal_public: bytes
    grains: dict[str, Any]
    context: bytes = b""
    saltenv: str | None = None
    override: dict[str, Any] | None = None


class Start(_Message, tag="start", frozen=True):
    """Master to worker, first and once: the master's settings, and how many seconds one minion's pillar may take."""

    config: dict[str, Any]
    render_s: float


class BundleRequest(_Message, tag="bundles", frozen=True):
    """Master to worker: make these, in this order. REFRESH: look at the trees and the pillar's files anew first, which
    is left out for the later parts of one request, so that all its bundles are of one making."""

    minions: list[Asked]
    refresh: bool


class Answer(_Message, frozen=True):
    """Worker to master, one for each that was asked, in order: an encoded bundle, or a pillar in clear, or an ERROR."""

    bundle: bytes = b""
    pillar: dict[Any, Any] | None = None
    error: str = ""


def _encode_value(value: object) -> object:
    if isinstance(value, Secret):
        return str(value)  # the mask: what targets look at needs no secret
    raise TypeError(f"a value of type {type(value).__name__}")


_encode = msgspec.msgpack.Encoder(enc_hook=_encode_value).encode
from_master = msgspec.msgpack.Decoder(Start | BundleRequest).decode
from_worker = msgspec.msgpack.Decoder(Answer).decode


def framed(message: Start | BundleRequest | Answer) -> bytes:
    """MESSAGE with its length before it."""
    body = _encode(message)
    return LENGTH.pack(len(body)) + body


def settings_of(config: MasterConfig) -> dict[str, Any]:
    """CONFIG as plain data."""
    from dataclasses import asdict

    return {**asdict(config), "root": str(config.root)}


def config_of(settings: dict[str, Any]) -> MasterConfig:
    """The MasterConfig that `settings_of` was given."""
    return MasterConfig(**{**settings, "root": Path(settings["root"])})
