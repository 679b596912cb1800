"""Who this minion is and which master it trusts: its keys, and the master's key and address from joining.

All in `/var/lib/saltern/minion/keys` (0700): `wire.key` and `seal.key` are its own pairs, `master` what it joined.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from minion.grains import own_id
from saltern.config import CONTROL_PORT, Config
from saltern.errors import ConfigError
from saltern.wire.keys import KeyPair, load_or_make, parse_public
from saltern.wire.private import write_file
from saltern.wire.sockets import split_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """SECRET is the token's one-time secret while joining, else empty."""

    id: str
    wire: KeyPair
    seal: KeyPair
    host: str
    port: int
    master_key: bytes
    secret: bytes = b""


def folder(config: Config) -> Path:
    """Where the keys lie."""
    return config.paths.var / "minion" / "keys"


def load(config: Config) -> Identity:
    """The identity by configuration and keys (made at first). ConfigError says what is missing and how to get it."""
    place = folder(config)
    joined = _joined(place / "master")
    address, key_text = config.master or joined.get("address", ""), config.master_key or joined.get("master_key", "")
    if not address or not key_text:
        raise ConfigError(
            f"this minion does not know its master yet. On the master: saltern-key token --minion {own_id(config)}; "
            "then here: saltern-minion join TOKEN (or set `master` and `master_key` in "
            f"{config.paths.etc / 'minion'})"
        )
    try:
        host, port = split_address(address, CONTROL_PORT)
    except ValueError as error:
        raise ConfigError(f"master: {error}") from None
    try:
        master_key = parse_public(key_text)
    except ValueError:
        raise ConfigError("master_key: expected 64 hex digits, as `saltern-key finger` on the master shows") from None
    return Identity(
        id=own_id(config),
        wire=load_or_make(place / "wire.key"),
        seal=load_or_make(place / "seal.key"),
        host=host,
        port=port,
        master_key=master_key,
    )


def remember(config: Config, identity: Identity) -> None:
    """Keep the master that this minion joined."""
    host = f"[{identity.host}]" if ":" in identity.host else identity.host
    text = json.dumps(
        {"address": f"{host}:{identity.port}", "master_key": identity.master_key.hex(), "id": identity.id}
    )
    write_file(folder(config) / "master", text.encode() + b"\n")


def _joined(file: Path) -> dict[str, str]:
    try:
        read = json.loads(file.read_text())
        return {str(key): str(value) for key, value in read.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        raise ConfigError(f"{file}: damaged: join again with saltern-minion join TOKEN") from None
