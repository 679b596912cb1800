"""What a state function returns: the node as it is, as it should be, and the steps between, all as values.

The engine prints the steps in test mode and runs the same objects in an apply; so the preview cannot differ from the
run. A step's `do` is a function and its arguments as a value (a `Call`), never a closure: it prints, compares and can
be masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final


@final
class Unset:
    """The type of `UNSET`: an argument that was not given, so the property is not managed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `modules/` and its arguments. Two calls are equal when all three are."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    def __call__(self) -> Any:
        return self.function(*self.args, **dict(self.kwargs))

    def __str__(self) -> str:
        words = [repr(arg) for arg in self.args] + [f"{key}={value!r}" for key, value in self.kwargs]
        namespace = self.function.__module__.partition(".")[2]
        return f"{namespace}.{self.function.__name__}({', '.join(words)})"


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
    """FUNCTION with these arguments, to be run later by the engine."""
    return Call(function, args, tuple(sorted(kwargs.items())))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an imperative step (`cmd.run`) may return: how it went, for the `changes` and `comment` of the result."""

    ok: bool
    comment: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: an imperative SENTENCE ("add port eth1 to br0"); BEFORE and AFTER are what it moves."""

    sentence: str
    before: Any
    after: Any
    do: Call


@dataclass(frozen=True, slots=True)
class Plan:
    """From CURRENT to WISH (values of one frozen type, or None for "does not exist") by STEPS.

    A field of WISH that is UNSET is not managed: it is neither compared nor reported. A field whose values have a
    method `diff(new) -> str` is reported as a unified diff instead of old and new.

    SETTLE_S: how long the engine goes on observing, after the steps, until the node equals the wish.
    IMPERATIVE: there is nothing to observe (`cmd.run`); the steps always run and their `Outcome` is the result.
    UNKNOWN: why nothing can be said yet ("the package that brings the unit is not installed"); only meaningful when
    an earlier state of the same run may change that. In test mode it is reported as unknown; in an apply, as a failure.
    COMMENT: what to say when nothing differs; the engine has a default.
    """

    current: Any
    wish: Any
    steps: tuple[Step, ...]
    settle_s: float = 0.0
    imperative: bool = False
    unknown: str | None = None
    comment: str | None = None

    def __init__(
        self,
        current: Any,
        wish: Any,
        steps: Iterable[Step] = (),
        *,
        settle_s: float = 0.0,
        imperative: bool = False,
        unknown: str | None = None,
        comment: str | None = None,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "current", current)
        set_(self, "wish", wish)
        set_(self, "steps", tuple(steps))
        set_(self, "settle_s", settle_s)
        set_(self, "imperative", imperative)
        set_(self, "unknown", unknown)
        set_(self, "comment", comment)
