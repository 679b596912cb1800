"""What minions ask of and for each other: the mine, and jobs that the option `peer` grants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from master import mine, peers
from master.asking import Arguments, Asking, Entry
from master.presence import Minion
from saltern.errors import UsageError
from saltern.targeting.expression import Node, Not, Term, parse

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]
Expression = Annotated[str, msgspec.Meta(max_length=4096)]
MOST_WAIT_S = 15.0  # below the time that a question is waited for
_FORMS = ("glob", "list", "grain", "ipcidr", "nodegroup", "compound")
_CLOSED = frozenset("EPIJ")  # letters of a compound target


class Send(Arguments, frozen=True, forbid_unknown_fields=True):
    """A value for the mine."""

    function: Name
    value: Any
    allow: Expression = ""
    form: str = "glob"


class Get(Arguments, frozen=True, forbid_unknown_fields=True):
    """What do others tell?"""

    tgt: Expression
    functions: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=32)]
    form: str = "glob"


class Delete(Arguments, frozen=True, forbid_unknown_fields=True):
    """Forget one value."""

    function: Name


class Flush(Arguments, frozen=True, forbid_unknown_fields=True):
    """Forget all values but those that are told anew."""

    keep: list[Name] = []  # noqa: RUF012 - msgspec copies it


class Publish(Arguments, frozen=True, forbid_unknown_fields=True):
    """A job for others; ONCE is the same where the question comes again."""

    once: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    tgt: Expression
    function: Name
    args: list[Any]
    kwargs: dict[str, Any]
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    form: str = "glob"


async def send(asking: Asking, minion: Minion, given: Send) -> bool:
    """Keep the value."""
    now = time.time()
    await asking.store.do(lambda c: mine.put(c, minion.id, given.function, given.value, given.allow, given.form, now))
    return True


async def get(asking: Asking, minion: Minion, given: Get) -> dict[str, dict[str, Any]]:
    """What may be known."""
    chosen = {one.id for one in await _chosen(asking, given.tgt, given.form)}
    return await asking.store.look(lambda c: mine.get(c, chosen, given.functions, minion.id))


async def delete(asking: Asking, minion: Minion, given: Delete) -> bool:
    """Whether there was something to forget."""
    return await asking.store.do(lambda c: mine.delete(c, minion.id, given.function))


async def flush(asking: Asking, minion: Minion, given: Flush) -> bool:
    """Forget it."""
    await asking.store.do(lambda c: mine.flush(c, minion.id, given.keep))
    return True


async def publish(asking: Asking, minion: Minion, given: Publish) -> dict[str, Any]:
    """Run the job and give what came back in time."""
    if asking.peers is None or asking.run is None:
        raise UsageError("publish.publish: the master is starting")
    chosen = await _chosen(asking, given.tgt, given.form)
    asking.peers.check(minion.id, given.function, [one.id for one in chosen])
    if not chosen:
        return {}
    known = asking.running.get((minion.id, given.once))
    if known is None:
        if not await asking.store.do(lambda c: peers.first(c, minion.id, given.once, time.time())):
            raise UsageError("publish.publish: this was asked before the master was started anew: it is not repeated")
        known = asyncio.ensure_future(asking.run(minion, chosen, given, min(given.timeout, MOST_WAIT_S)))
        asking.running[minion.id, given.once] = known
        known.add_done_callback(
            lambda _: asyncio.get_running_loop().call_later(60, asking.running.pop, (minion.id, given.once), None)
        )
    return dict(await asyncio.shield(known))


async def _chosen(asking: Asking, expression: str, form: str) -> list[Minion]:
    """The minions that a minion's target means. No patterns, which could take for ever, and no pillar, which it could
    spell out by asking. UsageError."""
    if asking.select is None:
        raise UsageError("the master is starting")
    if form not in _FORMS or (form == "compound" and _closed(parse(expression))):
        raise UsageError(
            f"a minion may aim by {', '.join(_FORMS)}, without regular expressions and pillar, not by {form} "
            f"{expression!r}"
        )
    return await asking.select(expression, form)


def _closed(node: Node | None) -> bool:
    """Whether a compound target has a term that a minion may not use."""
    if isinstance(node, Term):
        return node.letter in _CLOSED
    if isinstance(node, Not):
        return _closed(node.item)
    return node is not None and any(_closed(item) for item in node.items)


TABLE: Mapping[str, Entry] = {
    "mine.send": Entry(Send, send),
    "mine.get": Entry(Get, get),
    "mine.delete": Entry(Delete, delete),
    "mine.flush": Entry(Flush, flush),
    "publish.publish": Entry(Publish, publish),
}
