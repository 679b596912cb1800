"""Which custom code of the state tree this node uses: none where it is configured so."""

from __future__ import annotations

import os

from saltern.config import Config
from saltern.context import FileSource
from saltern.custom.custom import Closed, Custom
from saltern.custom.kinds import KINDS


def synced(config: Config) -> Custom:
    """What was synced from the master's trees."""
    return Custom(folder=config.paths.var / "minion" / "custom") if config.custom_modules else Closed()


def in_tree(config: Config, files: FileSource) -> Custom:
    """What the trees FILES of this node have."""
    if not config.custom_modules:
        return Closed()
    roots = [root for roots in config.file_roots.values() for root in roots]
    kinds = frozenset(kind for kind in KINDS if any(os.path.isdir(f"{root}/_{kind}") for root in roots))
    return Custom(files=files, kinds=kinds)
