"""The mine: what nodes tell of themselves for other nodes to know.

`mine_functions` (of the configuration and the pillar; the pillar wins by name) says what is told, and every
`mine_interval` minutes (60) the schedule has it told. A value goes to those alone that its `allow_tgt` means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules._mine import Dug, MineError, parse, parse_all
from saltern.context import Context
from saltern.marks import acting, reading
from saltern.runner import Returned


class NoMine(MineError):
    """This node has no master to tell or to ask."""


@acting
def update(ctx: Context, clear: bool = False, mine_functions: Any = None) -> Any:
    """Tell what `mine_functions` (those of this node, or those given) say now; CLEAR: forget everything else of this
    node. A function that fails keeps the others from nothing; it is named in the return, which then is a failure."""
    found, problems = _given(ctx) if mine_functions is None else parse_all(mine_functions)
    if clear:
        _ask(ctx, "mine.flush", {"keep": [dug.name for dug in found]})
    for dug in found:
        try:
            _tell(ctx, dug)
        except Exception as error:  # whatever a function of somebody's raises is about that function alone
            problems.append(f"mine: {dug.name}: {error}")
    return Returned({"result": False, "problems": problems}, 1) if problems else True


@acting
def send(
    ctx: Context,
    name: str,
    *args: Any,
    mine_function: str | None = None,
    allow_tgt: str = "",
    allow_tgt_type: str = "glob",
    **kwargs: Any,
) -> bool:
    """Tell the value of the function NAME, or of MINE_FUNCTION under that name, called with what else is given. Who may
    get it: ALLOW_TGT, a glob or a list of ids; nobody but this node where it is not given."""
    more = {"mine_function": mine_function, "allow_tgt": allow_tgt, "allow_tgt_type": allow_tgt_type}
    _tell(ctx, parse(name, [*args, {**kwargs, **{key: value for key, value in more.items() if value}}]))
    return True


@reading
def get(
    ctx: Context, tgt: str, fun: str | Sequence[str], tgt_type: str = "glob", exclude_minion: bool = False
) -> dict[str, Any]:
    """What the minions that TGT means tell under the name FUN, by id: those of them that allow it to this node. With
    several FUN (a list, or with commas between) the same for each name. EXCLUDE_MINION leaves this node out."""
    wanted = [part.strip() for part in fun.split(",")] if isinstance(fun, str) else [str(part) for part in fun]
    names = [part for part in wanted if part]
    found = _ask(ctx, "mine.get", {"tgt": str(tgt), "form": tgt_type, "functions": names})
    shown: dict[str, Any] = {}
    for name in names:
        told = dict(found.get(name) or {})
        if exclude_minion:
            told.pop(ctx.id, None)
        shown[name] = told
    return shown if len(names) != 1 or not isinstance(fun, str) else shown[names[0]]


@acting
def delete(ctx: Context, fun: str) -> bool:
    """Forget what this node told under the name FUN: whether there was something."""
    return bool(_ask(ctx, "mine.delete", {"function": fun}))


@acting
def flush(ctx: Context) -> bool:
    """Forget all that this node told."""
    _ask(ctx, "mine.flush", {"keep": []})
    return True


@reading
def valid(ctx: Context) -> dict[str, Any]:
    """The functions of `mine_functions` by name, with their arguments and who may get the values. MineError names what
    can't be understood."""
    found, problems = _given(ctx)
    if problems:
        raise MineError("\n".join(problems))
    return {
        dug.name: {
            "function": dug.function,
            "args": list(dug.args),
            "kwargs": dict(dug.kwargs),
            "allow_tgt": dug.allow or None,
        }
        for dug in found
    }


def _given(ctx: Context) -> tuple[list[Dug], list[str]]:
    configured, first = parse_all(ctx.config.mine_functions)
    pillar, second = parse_all(ctx.pillar.get("mine_functions"))
    return list({dug.name: dug for dug in (*configured, *pillar)}.values()), first + second


def _tell(ctx: Context, dug: Dug) -> None:
    if ctx.call is None:
        raise NoMine("mine: the functions of this node are not there")
    value = ctx.call(dug.function, *dug.args, **dug.kwargs)
    _ask(ctx, "mine.send", {"function": dug.name, "value": _plain(value), "allow": dug.allow, "form": dug.form})


def _plain(value: Any) -> Any:
    """VALUE as JSON can hold it."""
    import msgspec

    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    except (TypeError, ValueError, RecursionError) as error:
        raise MineError(f"its value can't be sent: {error}") from None


def _ask(ctx: Context, what: str, args: Mapping[str, Any]) -> Any:
    if ctx.ask is None:
        raise NoMine(f"{what}: this node has no master")
    return ctx.ask(what, args)
