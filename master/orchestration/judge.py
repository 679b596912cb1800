"""How a job of an orchestration went, said of what its minions returned. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from master.collecting import Collected
from saltern.converge.result import Verdict
from saltern.orchestration.asked import OnMinions

SILENT = frozenset({"offline", "timed out", "lost contact", "expired", "unknown"})  # it gave no answer
_LONGEST = 300  # characters of one line about a minion


def verdict(asked: OnMinions, found: Mapping[str, Collected]) -> Verdict:
    """What became of ASKED on the minions: FOUND has each of them."""
    failed = {id: one for id, one in found.items() if not _is_well(one) and not _is_excused(asked, id, one)}
    excused = [id for id, one in found.items() if not _is_well(one) and id not in failed]
    result = len(failed) <= asked.allowed.of(len(found))
    lines = list(_told(asked, found, failed, excused))
    ran = {id: one for id, one in found.items() if one.outcome not in SILENT and one.outcome != "refused"}
    shown = {id: one.value for id, one in ran.items() if not asked.states or not _is_well(one) or changed(one.value)}
    touched = any(not asked.states or changed(one.value) for one in ran.values())
    changes = {"out": "highstate", "ret": shown} if shown else {}
    if asked.test and result:
        would = any(undecided(one.value) for one in ran.values())
        return Verdict(None if would else True, "\n".join(lines), changes, changed=would)
    return Verdict(result, "\n".join(lines), changes, changed=touched)


def would(asked: OnMinions, ids: list[str]) -> Verdict:
    """What test mode says of a function, which has no test mode of its own."""
    return Verdict(None, f"Would run {asked.function} on {_named(ids)}", changed=True)


def _is_well(one: Collected) -> bool:
    return one.outcome == "done" and one.success and not one.retcode


def _is_excused(asked: OnMinions, id: str, one: Collected) -> bool:
    return id in asked.may_fail or (one.outcome in SILENT and not asked.expect)


def changed(value: Any) -> bool:
    """Whether a state run that returned VALUE changed something, or would."""
    return any(bool(state.get("changes")) or state.get("result") is None for state in _states(value))


def undecided(value: Any) -> bool:
    """Whether a state run in test mode that returned VALUE would change something."""
    return any(state.get("result") is None for state in _states(value))


def _states(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield from (state for state in value.values() if isinstance(state, Mapping) and "result" in state)


def _told(
    asked: OnMinions, found: Mapping[str, Collected], failed: Mapping[str, Collected], excused: list[str]
) -> Iterator[str]:
    """The comment, line by line."""
    total = len(found)
    if failed:
        allowed = asked.allowed.of(total)
        enough = f", and {allowed} may fail" if allowed else ""
        yield f"Failed on {len(failed)} of {total} minions{enough}: {_named(failed)}"
        for id, one in failed.items():
            yield from (f"  {id}: {line}" for line in _why(one))
    well = [id for id, one in found.items() if _is_well(one)]
    if asked.states:
        moved = [id for id in well if changed(found[id].value)]
        if moved:
            yield f"{'Would change' if asked.test else 'Changed'}: {_named(moved)}"
        if still := [id for id in well if id not in moved]:
            yield f"Nothing to change on {_named(still)}"
    elif well:
        yield f"{asked.function} ran on {_named(well)}"
    for id in excused:
        yield f"  {id} did not succeed, which is allowed: {next(iter(_why(found[id])), '')}"


def _why(one: Collected) -> Iterator[str]:
    """Why a minion failed, in a few lines."""
    broken = [state for state in _states(one.value) if state.get("result") is False]
    if broken and isinstance(one.value, Mapping):
        for tag, state in one.value.items():
            if isinstance(state, Mapping) and state.get("result") is False:
                yield _short(f"{_name(tag, state)}: {state.get('comment')}")
        return
    if one.outcome != "done":
        yield _short(f"{one.outcome}: {_text(one.value)}")
    else:
        code = f" (return code {one.retcode})" if one.retcode else ""
        yield _short(f"{_text(one.value)}{code}")


def _name(tag: str, state: Mapping[str, Any]) -> str:
    module, _, rest = tag.partition("_|-")
    function = rest.rpartition("_|-")[2]
    return f"{module}.{function} {state.get('__id__') or rest.partition('_|-')[0]}"


def _text(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return str(value[0])
    return value if isinstance(value, str) else repr(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _named(ids: Any) -> str:
    return ", ".join(ids)
