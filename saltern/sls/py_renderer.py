"""The renderer `py`: an SLS written in Python, whose `run()` returns the data."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from saltern.sls.desk import rendering
from saltern.sls.fence import TOO_BIG, TooLong, fence
from saltern.sls.source import Source


@rendering
def run(source: Source, names: Mapping[str, Any]) -> Any:
    """What `run()` of SOURCE returns. It finds NAMES as globals, and Salt's `__salt__`, `__grains__`, `__pillar__`,
    `__opts__`, `__env__`, `__sls__` beside them. SourceError with the line for every error in it."""
    dunder = {
        f"__{name}__": names[name] for name in ("salt", "grains", "pillar", "opts", "env", "sls") if name in names
    }
    space: dict[str, Any] = {**names, **dunder, "__name__": "sls", "__file__": source.file}
    try:
        with fence():
            exec(compile(source.text, source.file, "exec"), space)  # noqa: S102 - what the user asked for with #!py
            function = space.get("run")
            if not callable(function):
                raise source.error("an SLS in Python needs a function run() that returns its data")
            return function()
    except SyntaxError as error:
        raise source.error(f"Python: {error.msg}", (error.lineno or 1) - 1, (error.offset or 1) - 1) from None
    except Exception as error:  # whatever the user's code may raise: it is told with its line
        if getattr(error, "file", None) == source.file:
            raise
        line, column, traceback = 1, None, error.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if code.co_filename == source.file:
                line = traceback.tb_lineno
                column = next(islice(code.co_positions(), traceback.tb_lasti // 2, None))[2]
            traceback = traceback.tb_next
        words = TOO_BIG if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"
        raise source.error(str(error) if isinstance(error, TooLong) else words, line - 1, column) from None
