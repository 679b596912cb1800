"""The notes of state runs that wait for a person's word: `state.request` makes one, `state.run_request` applies it.

They lie in `requests.json` of the minion, since who requests and who runs may be different people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting, reading

DEFAULT = "default"


class RequestError(PermanentError):
    """There is no such request, or it can't be noted."""


@reading
def check_request(ctx: Context, name: str | None = None) -> dict[str, Any]:
    """The requests that wait, or the one called NAME ({} where there is none): {name: {"jid", "arguments"}}."""
    waiting = read(ctx)
    return waiting if name is None else waiting.get(name, {})


@acting
def clear_request(ctx: Context, name: str | None = None) -> bool:
    """Forget the request NAME, or all requests."""
    waiting = read(ctx)
    write(ctx, {} if name is None else {key: value for key, value in waiting.items() if key != name})
    return True


def _file(ctx: Context) -> str:
    return str(ctx.config.paths.var / "minion" / "requests.json")


def read(ctx: Context) -> dict[str, Any]:
    """All that wait. RequestError."""
    try:
        with open(_file(ctx), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RequestError(f"{_file(ctx)} can't be read: {error}") from None
    return found if isinstance(found, dict) else {}


def write(ctx: Context, requests: Mapping[str, Any]) -> None:
    """Note REQUESTS as all that wait. RequestError."""
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
