"""The states of an orchestration: each fits what an SLS says to a value that tells what to do. Nothing is done here.

Their signatures are what the compiler checks the SLS against, as those of `states/` are on a minion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from saltern import loader
from saltern.errors import UsageError, nearest
from saltern.orchestration.asked import Asked, AwaitEvent, OnMaster, OnMinions, Together, WordError, allowed
from saltern.orchestration.check import objections
from saltern.targeting import FORMS

WHEEL = ("key.accept", "key.delete", "key.finger", "key.list", "key.reject")
_CHANGES_KEYS = ("key.accept", "key.delete", "key.reject")

W = TypeVar("W", bound=Callable[..., Asked])


def _word(function: W) -> W:
    """Offer FUNCTION as a state of orchestrations; what it raises is told with the place in the SLS."""
    function.__saltern_check__ = function  # type: ignore[attr-defined]
    function.__saltern_together__ = objections  # type: ignore[attr-defined]
    return function


@_word
def state(
    name: str,
    *,
    tgt: str | Sequence[str],
    tgt_type: str = "glob",
    sls: Sequence[str] = (),
    highstate: bool = False,
    test: bool = False,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
    saltenv: str | None = None,
    exclude: str | Sequence[Any] = (),
    queue: bool = False,
    concurrent: bool = False,
    kwarg: Mapping[str, Any] | None = None,
    batch: str | None = None,
    batch_wait: float = 0.0,
    subset: int = 0,
    timeout: float | None = None,
    expect_minions: bool = True,
    fail_minions: str | Sequence[str] = (),
    allow_fail: str = "0",
) -> OnMinions:
    """The minions of TGT converge to the SLS (or with `highstate: True` to what the top file gives them)."""
    names = [word for text in sls for word in _words(text)]
    if bool(names) is highstate:
        raise WordError(
            "salt.state wants one of `sls: [name, …]` and `highstate: True`" + (", not both" if highstate else "")
        )
    given = {
        "pillar": pillar,
        "pillarenv": pillarenv,
        "saltenv": saltenv,
        "exclude": exclude or None,
        "queue": queue or None,
        "concurrent": concurrent or None,
        **(kwarg or {}),
    }
    return OnMinions(
        function="state.highstate" if highstate else "state.sls",
        args=() if highstate else (names,),
        kwargs={key: value for key, value in given.items() if value is not None},
        states=True,
        test=test,
        **_aim(tgt, tgt_type, batch, batch_wait, subset, timeout, expect_minions, fail_minions, allow_fail),
    )


@_word
def function(
    name: str,
    *,
    tgt: str | Sequence[str],
    tgt_type: str = "glob",
    arg: Any = (),
    kwarg: Mapping[str, Any] | None = None,
    batch: str | None = None,
    batch_wait: float = 0.0,
    subset: int = 0,
    timeout: float | None = None,
    expect_minions: bool = True,
    fail_minions: str | Sequence[str] = (),
    allow_fail: str = "0",
) -> OnMinions:
    """The execution function NAME runs on the minions of TGT."""
    return OnMinions(
        function=_function(name),
        args=_listed(arg),
        kwargs=kwarg or {},
        **_aim(tgt, tgt_type, batch, batch_wait, subset, timeout, expect_minions, fail_minions, allow_fail),
    )


@_word
def runner(name: str, *, arg: Any = (), kwarg: Mapping[str, Any] | None = None, **kwargs: Any) -> OnMaster:
    """The runner NAME runs on the master; KWARGS are its own arguments."""
    return OnMaster(kind="runner", function=_function(name), args=_listed(arg), kwargs={**(kwarg or {}), **kwargs})


@_word
def wheel(name: str, *, match: str | None = None) -> OnMaster:
    """The wheel function NAME runs on the master: something with the keys of minions that MATCH names."""
    if name not in WHEEL:
        raise WordError(f"wheel has {', '.join(WHEEL)}, not {name!r}.{nearest(name, WHEEL)}", "name")
    if match is None and name in _CHANGES_KEYS:
        raise WordError(f"{name} wants the argument 'match': an id or a glob of the minions whose keys are meant")
    return OnMaster(kind="wheel", function=name, kwargs={} if match is None else {"match": match})


@_word
def parallel_runners(name: str, *, runners: Mapping[str, Any]) -> Together:
    """RUNNERS, `id: {name: …, arg: …, kwarg: …}`, run at the same time."""
    found = {}
    for id, given in runners.items():
        parts = given if isinstance(given, list) else [given]
        if not all(isinstance(part, Mapping) for part in parts):
            raise WordError(f"the runner {id!r} wants `name`, and what it is called with, below it", "runners")
        values = {str(key): value for part in parts for key, value in part.items()}
        kwarg = values.pop("kwarg", None) or {}
        if not isinstance(kwarg, Mapping):
            raise WordError(f"the runner {id!r}: kwarg wants a mapping, not {kwarg!r}", "runners")
        called = values.pop("name", id)
        found[str(id)] = runner(str(called), arg=values.pop("arg", ()), kwarg=kwarg, **values)
    if not found:
        raise WordError("runners wants at least one `id: {name: NAMESPACE.NAME}`", "runners")
    return Together(runners=found)


@_word
def wait_for_event(
    name: str, *, id_list: str | Sequence[str] = (), event_id: str = "id", timeout: float = 300.0, node: str = "master"
) -> AwaitEvent:
    """An event with a tag that the glob NAME matches comes within TIMEOUT seconds, one for each of ID_LIST."""
    if node != "master":
        raise WordError(f"events are waited for on the master, not on {node!r}", "node")
    if not 0 < timeout <= 30 * 86400:
        raise WordError(f"timeout wants a number of seconds up to 30 days, not {timeout:g}", "timeout")
    return AwaitEvent(pattern=name, ids=tuple(dict.fromkeys(_all_words(id_list))), event_id=event_id, timeout_s=timeout)


WORDS: Mapping[str, Callable[..., Asked]] = {
    "salt.state": state,
    "salt.function": function,
    "salt.runner": runner,
    "salt.wheel": wheel,
    "salt.parallel_runners": parallel_runners,
    "salt.wait_for_event": wait_for_event,
}


def find(name: str) -> Callable[..., Asked]:
    """The state NAME of orchestrations. UsageError with the nearest name where there is none."""
    if name in WORDS:
        return WORDS[name]
    if name.partition(".")[0] != "salt":
        raise UsageError(
            f"{name} is a state for minions, and an orchestration acts on targets: put it into an SLS of its own and "
            "give that to minions by salt.state"
        )
    raise UsageError(f"there is no state {name!r} for orchestrations.{nearest(name, WORDS)}")


def _aim(
    tgt: str | Sequence[str],
    tgt_type: str,
    batch: str | None,
    batch_wait: float,
    subset: int,
    timeout: float | None,
    expect_minions: bool,
    fail_minions: str | Sequence[str],
    allow_fail: str,
) -> dict[str, Any]:
    """Whom it is for and how it goes to them, as the fields of `OnMinions`."""
    if not isinstance(tgt, str):
        tgt, tgt_type = ",".join(tgt), "list" if tgt_type == "glob" else tgt_type
    if not tgt:
        raise WordError("tgt names no minions", "tgt")
    if tgt_type not in FORMS:
        raise WordError(f"there is no form of target {tgt_type!r}.{nearest(tgt_type, FORMS)}", "tgt_type")
    for argument, value in (("batch_wait", batch_wait), ("subset", subset), ("timeout", timeout or 0.0)):
        if not 0 <= value < 1e9:
            raise WordError(f"{argument} wants a number from 0, not {value:g}", argument)
    if batch is not None:
        _checked_batch(batch)
    return {
        "tgt": tgt,
        "form": tgt_type,
        "batch": batch,
        "batch_wait_s": batch_wait,
        "subset": subset,
        "timeout_s": timeout,
        "expect": expect_minions,
        "may_fail": frozenset(_all_words(fail_minions)),
        "allowed": allowed(allow_fail),
    }


def _checked_batch(text: str) -> None:
    digits = text.strip().removesuffix("%")
    if not digits.isdecimal() or not 1 <= int(digits) <= (100 if "%" in text else 999_999):
        raise WordError(f"a batch is a number of minions or a percentage, like 10 or 25%, not {text!r}", "batch")


def _function(name: str) -> str:
    if not loader.is_name(name):
        raise WordError(f"{name!r} is not the name of a function: write it as NAMESPACE.NAME, like test.ping", "name")
    return name


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _all_words(given: str | Sequence[str]) -> list[str]:
    return [word for text in ([given] if isinstance(given, str) else given) for word in _words(text)]
