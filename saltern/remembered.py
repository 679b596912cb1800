"""A small JSON file in which a daemon keeps over restarts what it would do without, if it had to."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def read(file: Path, what: str) -> dict[str, Any]:
    """The mapping in FILE; an empty one where there is none or it can't be read, which is told as of WHAT."""
    try:
        found = json.loads(file.read_bytes())
        if isinstance(found, dict):
            return found
        logger.error("%s: %s is no mapping: begun anew", what, file)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        logger.error("%s: %s can't be read, so it is begun anew: %s", what, file, error)
    return {}
