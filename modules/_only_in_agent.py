"""Functions that are about the running agent, which answers them itself; the modules only say what they are."""

from __future__ import annotations

from typing import NoReturn

from saltern.errors import PermanentError


class OnlyInAgent(PermanentError):
    """A function that only a running agent can answer."""


def only_in_agent(function: str) -> NoReturn:
    """Say that FUNCTION (`saltutil.running`) was called where no agent answers it."""
    raise OnlyInAgent(f"{function} is answered by a running agent: ask it by `saltern ID {function}`")
