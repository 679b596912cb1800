"""What a function may ask of the master in the middle of its work: an address of a virtual network, for one.

A question has a name ("vnet.lease") and arguments that JSON can hold. The master knows a closed table of them
(`master/asks.py`), each with typed arguments, and tells who asks by the key of the connection. Every question can be
put twice with no more effect than once, since it is sent again where the connection broke before the answer came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from saltern.errors import PermanentError, TemporaryError

WAIT_S = 20.0  # how long an answer is waited for, broken connections included
MAX_ARGS_BYTES = 64 * 1024
MAX_VALUE_BYTES = 1024 * 1024


class MasterAway(TemporaryError):
    """The master can't be asked now: it is not connected, or gave no answer within WAIT_S."""


class Refused(PermanentError):
    """The master was asked and says no; the text is its own."""


class Ask(Protocol):
    """The way to the master, as `Context.ask`."""

    def __call__(self, what: str, args: Mapping[str, Any], /) -> Any:
        """The answer to the question WHAT, in JSON's own types. MasterAway, Refused."""
        ...
