"""Functions that show that a node answers, and how arguments reach a function. Imports nothing heavy: the quickest
commands are these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saltern.errors import PermanentError, SalternError
from saltern.marks import reading

if TYPE_CHECKING:
    from saltern.context import Context
    from saltern.runner import Returned


class TestError(PermanentError):
    """An error that was asked for."""

    __test__ = False  # its name is no invitation to a test runner


@reading
def ping() -> bool:
    """True: the node is there and runs functions."""
    return True


@reading
def echo(text: str) -> str:
    """TEXT, as it came."""
    return text


@reading
def version() -> str:
    """The version of Saltern on the node."""
    import saltern

    return saltern.__version__


@reading
def versions_information() -> dict[str, str]:
    """The versions of Saltern, Python and the system."""
    import os
    import sys

    system = os.uname()
    return {
        "Saltern": version(),
        "Python": sys.version.split()[0],
        "system": f"{system.sysname} {system.release} {system.machine}",
    }


@reading
def versions() -> dict[str, str]:
    """As `test.versions_information`."""
    return versions_information()


@reading
def versions_report() -> str:
    """As `test.versions_information`, as a text."""
    return "\n".join(f"{name}: {version}" for name, version in versions_information().items())


@reading
def rand_sleep(max: float = 60) -> bool:
    """Wait for some time up to MAX seconds."""
    import random

    return sleep(random.uniform(0, float(max)))  # noqa: S311 - spreads load, guards nothing


@reading
def random_hash(size: int = 9999999999, hash_type: str = "sha512") -> str:
    """The digest of random bytes by HASH_TYPE."""
    return rand_str(hash_type=hash_type)


@reading
def sleep(length: float) -> bool:
    """Wait LENGTH seconds."""
    import time

    time.sleep(float(length))
    return True


@reading
def arg(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments that arrived: {"args": [...], "kwargs": {...}}."""
    return {"args": list(args), "kwargs": kwargs}


@reading
def arg_type(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """The types of the arguments that arrived: shows how YAML read them."""
    return {
        "args": [type(value).__name__ for value in args],
        "kwargs": {key: type(value).__name__ for key, value in kwargs.items()},
    }


@reading
def arg_repr(*args: Any, **kwargs: Any) -> dict[str, str]:
    """The arguments that arrived, as Python writes them."""
    return {"args": repr(args), "kwargs": repr(kwargs)}


@reading
def kwarg(**kwargs: Any) -> dict[str, Any]:
    """The keyword arguments that arrived."""
    return kwargs


@reading
def retcode(code: int = 42) -> Returned:
    """Return True with the exit code CODE."""
    if isinstance(code, bool) or not isinstance(code, int):
        raise TestError(f"the code must be a whole number, not {code!r}")
    from saltern.runner import Returned

    return Returned(True, code)


@reading
def assertion(assertion: Any) -> None:
    """Fail unless ASSERTION is true."""
    if not assertion:
        raise TestError(f"not true: {assertion!r}")


@reading
def try_(ctx: Context, module: str, *args: Any, return_try_exception: bool = False, **kwargs: Any) -> Any:
    """What the function MODULE returns with ARGS and KWARGS; None where it fails, or with RETURN_TRY_EXCEPTION why."""
    try:
        return cross_test(ctx, module, *args, **kwargs)
    except (SalternError, OSError, ValueError) as error:
        return str(error) if return_try_exception else None


@reading
def cross_test(ctx: Context, func: str, *args: Any, **kwargs: Any) -> Any:
    """What the function FUNC returns when another function calls it with ARGS and KWARGS."""
    if ctx.call is None:
        raise TestError("there are no functions to call here")
    return ctx.call(func, *args, **kwargs)


@reading
def get_opts(ctx: Context) -> dict[str, Any]:
    """The minion's options."""
    from modules import config

    return config.items(ctx)


@reading
def outputter(data: Any) -> Any:
    """DATA as it came, to see how it is printed."""
    return data


@reading
def true() -> bool:
    """True."""
    return True


@reading
def false() -> bool:
    """False."""
    return False


@reading
def exception(message: str = "Test Exception") -> None:
    """Fail with MESSAGE."""
    raise TestError(str(message))


@reading
def fib(num: int) -> tuple[int, float]:
    """The Fibonacci number after NUM, counted up from 0 and 1, and the seconds that it took."""
    import time

    start = time.monotonic()
    before, now = 0, 1
    while now < int(num):
        before, now = now, before + now
    return now, time.monotonic() - start


@reading
def collatz(start: int) -> tuple[int, float]:
    """The steps that the Collatz rule takes from START (at least 1) to 1, and the seconds that they took."""
    import time

    begin, number, steps = time.monotonic(), int(start), 1
    if number < 1:
        raise TestError(f"the start must be 1 or more, not {start}")
    while number > 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps, time.monotonic() - begin


@reading
def rand_str(size: int = 32, hash_type: str | None = None) -> str:
    """A random text of SIZE hex digits; with HASH_TYPE ("sha256") the digest of random bytes."""
    import os

    if hash_type is None:
        return os.urandom((int(size) + 1) // 2).hex()[: int(size)]
    import hashlib

    try:
        return hashlib.new(hash_type, os.urandom(64)).hexdigest()
    except ValueError:
        raise TestError(f"there is no hash {hash_type!r}") from None
