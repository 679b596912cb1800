"""Compiles an orchestration in a process of its own: `python -m master.orchestration.apart`.

What ends a template that has no end (`saltern.sls.fence`) works in the main thread of a process alone, and the master's
serves everybody. The two sides exchange pickles: the process runs code and templates of the master alone.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from master.orchestration import load
from saltern.answers import answers
from saltern.config import MasterConfig
from saltern.errors import SalternError, SourceError
from saltern.sls.low import Low
from saltern.sls.problems import Problems, SourceErrors

_NOT_PLAIN = (pickle.PicklingError, TypeError, AttributeError, RecursionError)
_PLACE = ("file", "line", "column", "excerpt", "hint")


def compiled(
    config: MasterConfig, asked: load.Wanted, call: Callable[..., Any], check: Callable[[Low], None]
) -> list[Low]:
    """See `load.compiled`; CALL and CHECK are called here. It blocks."""
    argv = [sys.executable, "-P", "-m", __name__]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _put(process.stdin, (load.settings(config), asked))
            while (said := pickle.load(process.stdout))[0] == "call":  # noqa: S301 - the process is our own
                _send(process.stdin, _called(call, *said[1:]))
        except (EOFError, OSError, pickle.UnpicklingError):
            raise SalternError(
                "the process that compiles the orchestration ended by itself: see the master's log"
            ) from None
        finally:
            process.kill()
            with suppress(OSError):  # what it did not take any more
                process.stdin.close()
    if said[0] == "errors":
        _raise([_error(one) for one in said[1]])
    return load.checked(said[1], [_error(one) for one in said[2]], check)


def _called(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Whether the runner answered, and what."""
    try:
        return pickle.dumps((True, call(*args, **kwargs)))
    except SalternError as error:
        return pickle.dumps((False, str(error)))
    except _NOT_PLAIN as error:
        return pickle.dumps((False, f"what it gives is no plain data: {error}"))


def _raise(errors: list[SourceError]) -> None:
    problems = Problems()
    for error in errors:
        problems.add(error)
    problems.check()


def _error(told: tuple[str, dict[str, Any]]) -> SourceError:
    return SourceError(told[0], **told[1])


def _told(error: SourceError) -> tuple[str, dict[str, Any]]:
    """ERROR as plain data."""
    return error.message, {name: getattr(error, name) for name in _PLACE}


def _put(stream: IO[bytes], value: Any) -> None:
    """Send VALUE whole or not at all: SalternError where it is no plain data."""
    try:
        data = pickle.dumps(value)
    except _NOT_PLAIN as error:
        raise SalternError(f"this is no plain data: {error}") from None
    _send(stream, data)


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)
    stream.flush()


def main() -> None:
    """Compile what standard input asks for, and say what came of it."""
    said, questions = answers(), sys.stdin.buffer
    told, asked = pickle.load(questions)  # noqa: S301 - it is from the master

    def call(*args: Any, **kwargs: Any) -> Any:
        _put(said, ("call", args, kwargs))
        answered, value = pickle.load(questions)  # noqa: S301
        if not answered:
            raise SalternError(value)
        return value

    try:
        lows, missing = load.read(told, asked, call)
        plain = [replace(low, arg_places=dict(low.arg_places)) for low in lows]
        _put(said, ("lows", plain, [_told(error) for error in missing]))
    except SourceErrors as error:
        _put(said, ("errors", [_told(one) for one in error.errors]))
    except SourceError as error:
        _put(said, ("errors", [_told(error)]))
    except SalternError as error:
        _put(said, ("errors", [(str(error), {})]))


if __name__ == "__main__":
    main()
