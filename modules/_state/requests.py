"""State runs that wait for a person's word: `state.request` previews and notes one, `state.run_request` applies it.

The notes lie in `requests.json` of the minion, since who requests and who runs may be different people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from saltern.context import Context
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading
from saltern.runner import Returned

_DEFAULT = "default"


class RequestError(PermanentError):
    """There is no such request, or it can't be noted."""


@acting
def request(
    ctx: Context,
    mods: str | Sequence[str] | None = None,
    name: str = _DEFAULT,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    exclude: str | Sequence[Any] = (),
    pillarenv: str | None = None,
) -> Any:
    """Tell what `state.apply` would do with these arguments, and note them as the request NAME for
    `state.run_request`."""
    from modules import state

    given = {"mods": mods, "saltenv": saltenv, "pillar": pillar, "exclude": exclude, "pillarenv": pillarenv}
    kept = {key: value for key, value in given.items() if value not in (None, (), [], "")}
    shown = state.apply(ctx, mods, True, saltenv, pillar, exclude, pillarenv=pillarenv)
    if not (isinstance(shown, Returned) and shown.retcode == 1):
        _write(ctx, {**_read(ctx), name: {"jid": ctx.jid, "arguments": kept}})
    return shown


@reading
def check_request(ctx: Context, name: str | None = None) -> dict[str, Any]:
    """The requests that wait, or the one called NAME ({} where there is none): {name: {"jid", "arguments"}}."""
    waiting = _read(ctx)
    return waiting if name is None else waiting.get(name, {})


@acting
def run_request(ctx: Context, name: str = _DEFAULT) -> Any:
    """Converge to what the request NAME wants, and forget it. The tree and the pillar are those of now."""
    from modules import state

    waiting = _read(ctx)
    if name not in waiting:
        raise RequestError(f"there is no request {name!r}.{nearest(name, waiting)} state.request makes one.")
    arguments = waiting.pop(name)["arguments"]
    _write(ctx, waiting)
    return state.apply(ctx, test=False, **arguments)


@acting
def clear_request(ctx: Context, name: str | None = None) -> bool:
    """Forget the request NAME, or all requests."""
    waiting = _read(ctx)
    _write(ctx, {} if name is None else {key: value for key, value in waiting.items() if key != name})
    return True


def _file(ctx: Context) -> str:
    return str(ctx.config.paths.var / "minion" / "requests.json")


def _read(ctx: Context) -> dict[str, Any]:
    try:
        with open(_file(ctx), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RequestError(f"{_file(ctx)} can't be read: {error}") from None
    return found if isinstance(found, dict) else {}


def _write(ctx: Context, requests: Mapping[str, Any]) -> None:
    file = _file(ctx)
    try:
        text = json.dumps(requests, indent=1)
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        temporary = f"{file}.{os.getpid()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(fd)
        os.rename(temporary, file)
    except (OSError, TypeError, ValueError) as error:
        raise RequestError(f"the request can't be noted in {file}: {error}") from None
