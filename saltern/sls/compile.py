"""Compiles the high state to the low state: options apart from arguments, requisites resolved, order settled, every
argument checked. A pure function of the declarations and the signatures of the state functions."""

from __future__ import annotations

from typing import Any

from saltern.converge.checks import objections
from saltern.errors import SalternError, UsageError
from saltern.sls.check import Signature, Signatures, mismatch, unknown_argument
from saltern.sls.chunk import FIRST_ORDER, ArgumentPlaces, Chunk, chunks
from saltern.sls.coerce import Mismatch
from saltern.sls.high import High
from saltern.sls.keywords import SHARED_OPTIONS
from saltern.sls.low import Low, Place
from saltern.sls.order import positions, sort
from saltern.sls.problems import Problems
from saltern.sls.requisites import Edge, connect

_CONDITIONS = frozenset({"unless", "onlyif", "check_cmd", "creates", "retry"})


def compiled(high: High, problems: Problems, signatures: Signatures | None = None) -> list[Low]:
    """The low state of HIGH, in order. All errors go to PROBLEMS; where there are any, the list is not to be run."""
    found = chunks(high.declarations, problems)
    edges = connect(found, high, problems)
    signatures = signatures or Signatures()
    _check(found, signatures, problems)
    order = _ordered(found, edges, problems)
    lows = [_low(found[index], number) for number, index in enumerate(order)]
    _check_options(lows, [found[index] for index in order], problems)
    if not problems.found:
        _check_together(lows, [found[index] for index in order], signatures, problems)
    return lows


def _check_options(lows: list[Low], found: list[Chunk], problems: Problems) -> None:
    """Refuse conditions and a `retry` that the engine could not read when their turn comes."""
    for low, chunk in zip(lows, found, strict=True):
        if not _CONDITIONS.isdisjoint(low.options):
            for option, message in objections(low):
                problems.add(chunk.error(message, option))


def _check_together(lows: list[Low], found: list[Chunk], signatures: Signatures, problems: Problems) -> None:
    """Ask the states what of the whole run contradicts itself."""
    asked = dict.fromkeys(signatures.get(f"{low.module}.{low.fun}").together for low in lows)
    chunk_of = {id(low): chunk for low, chunk in zip(lows, found, strict=True)}
    for ask in asked:
        for objection in ask(lows) if ask else ():
            problems.add(chunk_of[id(objection.low)].error(objection.message, objection.argument))


def _ordered(found: list[Chunk], edges: list[Edge], problems: Problems) -> list[int]:
    places: list[float] = []
    try:
        places = positions([(chunk.options.get("order"), chunk.position) for chunk in found])
    except ValueError:
        for chunk in found:
            try:
                positions([(chunk.options.get("order"), chunk.position)])
            except ValueError as error:
                problems.add(chunk.error(str(error), "order"))
        return []
    keys = [
        (place, chunk.module + chunk.name + chunk.fun, number)
        for number, (place, chunk) in enumerate(zip(places, found, strict=True))
    ]
    order, cycle = sort(keys, edges)
    if cycle:
        # `cycle` runs from each state to what it waits for
        path = " → ".join(str(found[n]) for n in cycle)
        where = "; ".join(f"{found[n].id} at {found[n].declaration.place}" for n in cycle[:-1])
        problems.add(found[cycle[0]].error(f"requisites in a circle: {path}", None, f"Remove one of them: {where}."))
    return order


def _check(found: list[Chunk], signatures: Signatures, problems: Problems) -> None:
    """Fit the arguments of each chunk to the signature of its function."""
    for chunk in found:
        function = f"{chunk.module}.{chunk.fun}"
        try:
            signature = signatures.get(function)
        except UsageError as error:
            problems.add(chunk.error(str(error)))
            continue
        try:
            _fit(chunk, function, signature, problems)
        except RecursionError:
            problems.add(chunk.error(f"an argument of {function} is nested too deep"))


def _fit(chunk: Chunk, function: str, signature: Signature, problems: Problems) -> None:
    fitted: dict[str, Any] = {}
    converters = signature.converters
    before = len(problems.found)
    for name, value in chunk.args.items():
        convert = converters.get(name)
        if convert is None:
            if signature.open:
                fitted[name] = value
            elif name not in SHARED_OPTIONS:
                message, hint = unknown_argument(name, function, signature)
                problems.add(chunk.error(message, name, hint))
            continue
        if value is None and name not in signature.nullable:
            if name in signature.required:
                problems.add(chunk.error(f"the argument {name!r} of {function} has no value", name))
            continue  # `- user:` without a value counts as not given, as in Salt
        try:
            fitted[name] = convert(value)
        except Mismatch as wanted:
            problems.add(chunk.error(mismatch(name, function, value, wanted), name))
    for name in signature.required:
        if name not in chunk.args:
            problems.add(chunk.error(f"{function} wants the argument {name!r}", None, f"Add `- {name}: …`."))
    chunk.args = fitted
    if signature.check is not None and len(problems.found) == before:
        try:
            signature.check(chunk.name, **fitted)
        except SalternError as error:
            problems.add(chunk.error(str(error), getattr(error, "argument", None)))


def _low(chunk: Chunk, number: int) -> Low:
    declaration = chunk.declaration
    return Low(
        module=chunk.module,
        fun=chunk.fun,
        id=chunk.id,
        name=chunk.name,
        sls=declaration.sls,
        saltenv=declaration.saltenv,
        place=_place(chunk),
        args=chunk.args,
        arg_places=ArgumentPlaces(chunk.notes),
        requisites=tuple(chunk.requisites),
        options=chunk.options,
        order=FIRST_ORDER + number,
    )


def _place(chunk: Chunk) -> Place:
    return chunk.declaration.place
