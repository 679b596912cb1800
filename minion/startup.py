"""What a minion runs by itself once it has started: the option `startup_states`, as Salt's."""

from __future__ import annotations

from typing import Any

from saltern.config import Config

Job = tuple[str, list[Any]]


def startup_job(config: Config) -> Job | None:
    """The function and its arguments, or None: `highstate`, `sls` (those of `sls_list`) or `top` (with `top_file`)."""
    if config.startup_states == "highstate":
        return "state.highstate", []
    if config.startup_states == "sls" and config.sls_list:
        return "state.sls", [config.sls_list]
    if config.startup_states == "top" and config.top_file:
        return "state.top", [config.top_file]
    return None
