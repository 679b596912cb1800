"""A secret whose text is not here: it stands in its place, and using it is an error."""

from __future__ import annotations

from typing import NoReturn

from saltern.errors import PermanentError
from saltern.secret import Secret


class NotHere(PermanentError):
    """The text of SECRET is wanted where nobody has it."""

    def __init__(self, message: str, secret: Secret) -> None:
        super().__init__(message)
        self.secret = secret


class Closed(Secret):
    """A sealed value of a pillar on a node that can't open it. It equals none but itself."""

    __slots__ = ("_minions",)

    def __init__(self, minions: str) -> None:
        super().__init__("")
        self._minions = minions

    def reveal(self) -> NoReturn:
        """NotHere: there is nothing to reveal."""
        raise NotHere(
            f"this value is sealed for {self._minions}, and only the master opens it: give another in its place by "
            "pillar='{…}'",
            self,
        )

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
