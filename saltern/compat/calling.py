"""Calls a function of Salt-style code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saltern.custom.errors import CustomFailed, words_of
from saltern.errors import SalternError

if TYPE_CHECKING:
    from saltern.compat.surroundings import Surroundings
    from saltern.custom.source import Origin


def called(bridge: Surroundings, origin: Origin, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call FUNCTION of Salt-style code. What it raises is told as one line with its place; but Salt-style code that
    called it through `__salt__` gets the error itself. CustomFailed, without the secrets that the code was given."""
    if bridge.inside.get():
        return function(*args, **kwargs)
    token = bridge.inside.set(True)
    try:
        return bridge.mask(function(*bridge.reveal(list(args)), **bridge.reveal(kwargs)))
    except SalternError as error:
        raise CustomFailed(bridge.mask(str(error))) from None
    except (Exception, SystemExit) as error:
        raise CustomFailed(bridge.mask(words_of(error, origin.path))) from None
    finally:
        bridge.inside.reset(token)
