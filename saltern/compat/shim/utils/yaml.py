"""`salt.utils.yaml`: safe YAML."""

from __future__ import annotations

from typing import Any

import yaml
from yaml import YAMLError

__all__ = ["YAMLError", "dump", "load", "safe_dump", "safe_load"]


def safe_load(stream: Any, Loader: Any = None) -> Any:  # noqa: N803 - Salt's name
    """The one document of STREAM."""
    return yaml.safe_load(stream)


def safe_dump(data: Any, stream: Any = None, **kwargs: Any) -> Any:
    """DATA as YAML, in block form."""
    return yaml.safe_dump(data, stream, **{"default_flow_style": False, **kwargs})


load, dump = safe_load, safe_dump
