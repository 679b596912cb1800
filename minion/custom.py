"""Which custom code of the state tree this node uses, if any."""

from __future__ import annotations

import os

from saltern.config import Config
from saltern.context import FileSource
from saltern.custom.custom import KINDS, Custom


def synced(config: Config) -> Custom | None:
    """What was synced from the master's trees; None where the node is configured to refuse it."""
    return Custom(folder=config.paths.var / "minion" / "custom") if config.custom_modules else None


def in_tree(config: Config, files: FileSource) -> Custom | None:
    """What the trees FILES of this node have; None where the node is configured to refuse it."""
    if not config.custom_modules:
        return None
    roots = [root for roots in config.file_roots.values() for root in roots]
    kinds = frozenset(kind for kind in KINDS if any(os.path.isdir(f"{root}/_{kind}") for root in roots))
    return Custom(files=files, kinds=kinds)
