"""`file.accumulated`, and how the states that write a file get at what it gathers for them."""

from __future__ import annotations

from typing import Any

from modules._file.safe import absolute
from saltern.context import Context
from saltern.converge.plan import Plan
from saltern.converge.state import changes_nothing, check, check_together, state
from saltern.errors import PermanentError
from saltern.sls.accumulated import gathered, objections
from states._file.check import WrongArgument


@state
@changes_nothing
def accumulated(ctx: Context, name: str, *, filename: str, text: Any) -> Plan:
    """The accumulator NAME for the file FILENAME has TEXT: one, or a list of them; one that it has counts once.

    Nothing is written here. What is gathered, in the order of the states, is what the template of the `file.managed`
    FILENAME knows as `accumulator[NAME]`, a list; and what a `file.blockreplace` of it puts into its block, a line
    each. That state has to wait for this one: name it in `require_in` or `watch_in`. A state that a condition leaves
    out adds nothing.
    """
    number = len(text) if isinstance(text, list | tuple) else 1
    texts = "1 text" if number == 1 else f"{number} texts"
    return Plan(None, None, comment=f"{texts} of the accumulator {name} for {filename}")


@check(of=accumulated)
def _check(name: str, *, filename: str, text: Any) -> None:
    try:
        absolute(filename)
    except PermanentError as error:
        raise WrongArgument(str(error), "filename") from None
    if text is None or text in ("", [], {}):
        raise WrongArgument("there is no text to gather", "text")


check_together(objections, accumulated)


def accumulator(ctx: Context) -> dict[str, Any]:
    """What a template knows of the texts that are gathered for its file: `accumulator`, where there are any."""
    found = gathered(*ctx.around) if ctx.around is not None else {}
    return {"accumulator": found} if found else {}


def with_gathered(ctx: Context, content: str) -> str:
    """CONTENT and, a line each, what is gathered for this block."""
    found = gathered(*ctx.around) if ctx.around is not None else {}
    lines = [str(text) for texts in found.values() for text in texts]
    return "\n".join([*([content] if content else []), *lines])
