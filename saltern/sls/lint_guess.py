"""Looks on where a value is missing: the SLS is rendered again with a placeholder for it, and of what comes out only
those mistakes count that no value could mend, such as the name of a state that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from saltern.context import Context
from saltern.errors import SalternError, SourceError
from saltern.marks import ActedWhilePlanning
from saltern.sls.compile import compiled
from saltern.sls.functions import Function, Functions
from saltern.sls.high import Collector
from saltern.sls.problems import Problems
from saltern.sls.render import Renderer
from saltern.sls.tree import Tree

_TEXT = "UNKNOWN-HERE"
_SURE = re.compile(r"there is no state '|[\w.]+ takes no argument '|the id '.*' is declared twice|a loop of includes: ")


def sure_errors(ctx: Context, name: str, saltenv: str) -> Iterator[SourceError]:
    """The mistakes of the SLS NAME that are there whatever the values are that are missing here."""
    problems = Problems()
    try:
        collector = Collector(Tree(ctx.files, _guessing(ctx)), problems)
        collector.add([name], saltenv)
        compiled(collector.finish(), problems)
    except SalternError:  # what can't go on even so was told before
        pass
    for error in problems.found:
        if _SURE.match(error.message) and _TEXT not in error.message:
            yield error


def _guessing(ctx: Context) -> Renderer:
    from jinja2 import ChainableUndefined, Undefined

    class Guess(ChainableUndefined):
        """A value that is not known: a text where it is written, nothing where it is looped over."""

        def __str__(self) -> str:
            return _TEXT

        def _guess(self, *_: Any, **__: Any) -> Any:
            return self

        __call__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __truediv__ = _guess
        __floordiv__ = __lt__ = __le__ = __gt__ = __ge__ = _guess

    class Lenient(Functions):
        """`salt[…]`, where a function that would act, or finds nothing, gives a guess."""

        def _made(self, name: str) -> Function:
            function = super()._made(name)

            def guessed(*args: Any, **kwargs: Any) -> Any:
                if any(isinstance(value, Undefined) for value in (*args, *kwargs.values())):
                    return Guess()
                try:
                    return function(*args, **kwargs)
                except (ActedWhilePlanning, SalternError, OSError, LookupError):
                    return Guess()

            return guessed

    renderer = Renderer(ctx, may_act=False, globals={"salt": Lenient(ctx, may_act=False)})
    renderer.undefined = Guess
    return renderer
