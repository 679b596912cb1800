"""What a reactor SLS says, as values: rendered with an event as data, then read as calls.

What a template gives out for an expression is held back behind a mark until the YAML is read, and put into its place
then. So a value of an event, whatever a minion put there, is a text (or a number, or a whole mapping) at the place
where the template names it. It is never read as YAML and never as a template, and it never says what is called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saltern.errors import PermanentError, SalternError
from saltern.loader import is_name

KINDS = ("local", "runner", "wheel")
WHEEL = ("key.accept", "key.reject", "key.delete")
_OPTIONS = {
    "local": ("tgt", "tgt_type", "arg", "kwarg", "args", "queue"),
    "runner": ("arg", "kwarg", "args"),
    "wheel": ("match",),
}
_PLAIN = (int, float, bool, type(None))


class ReactionError(PermanentError):
    """A reactor SLS does not render, or is none; the message has the file and the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing to do: KIND `local` runs FUNCTION on the minions that TGT means, `runner` on the master, `wheel` does
    something with the key of the minion TGT."""

    id: str
    kind: str
    function: str
    tgt: str = ""
    form: str = "glob"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue_s: float = 0.0


def calls_of(text: str, file: str, tag: str, data: Mapping[str, Any], files: Any) -> list[Call]:
    """The calls that TEXT, the file FILE of the tree FILES, makes of an event. ReactionError."""
    held = _Held()
    document = _rendered(text, file, tag, data, files, held)
    if document is None:
        return []
    if not isinstance(document, Mapping):
        raise ReactionError(f"{file}: a reactor SLS is a mapping of ids, not {type(document).__name__}")
    return [_call(file, str(held.given(id)), body, held) for id, body in document.items()]


class _Held:
    """The values that a template gave out, behind marks that nobody can guess."""

    def __init__(self) -> None:
        self._mark = f"H{os.urandom(12).hex()}"
        self._values: list[Any] = []
        self._one = re.compile(rf"{self._mark}x(\d+)x")

    def hold(self, value: Any) -> Any:
        """What stands for VALUE until the document is read."""
        if isinstance(value, _PLAIN) and value is not None:
            return value
        self._values.append(value)
        return f"{self._mark}x{len(self._values) - 1}x"

    def holds(self, text: str) -> bool:
        """Whether TEXT has a mark."""
        return self._mark in text

    def given(self, value: Any, depth: int = 0) -> Any:
        """VALUE with what was held back in its places."""
        if isinstance(value, str):
            if depth > 50 or not self.holds(value):
                return value
            whole = self._one.fullmatch(value)
            if whole and not isinstance(self._values[int(whole[1])], str):
                return self._values[int(whole[1])]
            return self.given(self._one.sub(lambda mark: str(self._values[int(mark[1])]), value), depth + 1)
        if isinstance(value, Mapping):
            return {self.given(key): self.given(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.given(entry) for entry in value]
        return value


def _rendered(text: str, file: str, tag: str, data: Mapping[str, Any], files: Any, held: _Held) -> Any:
    import jinja2

    from saltern.secret import Secret
    from saltern.sls.environment import TemplateEnvironment, TreeLoader
    from saltern.sls.source import Source
    from saltern.sls.yaml_loader import load

    environment = TemplateEnvironment(TreeLoader(files, "base", {}))
    written = environment.finalize

    def finalize(value: Any) -> Any:
        if isinstance(value, jinja2.Undefined | Secret):
            return written(value) if written else value  # which raises
        return held.hold(value)

    environment.finalize = finalize
    try:
        rendered = environment.from_string(text).render(tag=tag, data=data)
    except jinja2.TemplateSyntaxError as error:
        raise ReactionError(f"{file}:{error.lineno}: {error.message}") from None
    except SalternError as error:
        raise ReactionError(f"{file}: {error}") from None
    except Exception as error:  # a template may raise whatever its filters raise
        raise ReactionError(f"{file}:{_line_of(error)}: {type(error).__name__}: {error}") from None
    try:
        return load(Source(file, rendered)).data
    except SalternError as error:
        raise ReactionError(str(held.given(str(error)))) from None


def _line_of(error: Exception) -> int:
    """The last line of a template that ERROR passed through."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _call(file: str, id: str, body: Any, held: _Held) -> Call:
    where = f"{file}: {id!r}"
    if not isinstance(body, Mapping) or len(body) != 1:
        raise ReactionError(f"{where}: below an id stands one call, like local.test.ping, not {held.given(body)!r}")
    [(name, given)] = body.items()
    kind, _, function = str(name).partition(".")
    kind = {"cmd": "local", "caller": "local"}.get(kind, kind)
    if held.holds(str(name)):
        raise ReactionError(f"{where}: what is called may not come from an event: write its name")
    if kind not in KINDS or not is_name(function):
        raise ReactionError(f"{where}: {name!r} is no call: it begins with {', '.join(f'{one}.' for one in KINDS)}")
    options = _options(where, given, held)
    unknown = sorted(set(options) - set(_OPTIONS[kind]))
    if unknown:
        raise ReactionError(f"{where}: {name} has no option {unknown[0]!r}: it has {', '.join(_OPTIONS[kind])}")
    if kind == "wheel":
        return _wheel(where, id, function, options)
    args, kwargs = _arguments(where, options)
    tgt = options.get("tgt", "")
    if kind == "local" and (not isinstance(tgt, str | list) or not tgt):
        raise ReactionError(f"{where}: {name} wants `tgt`: the minions it is for")
    form = str(options.get("tgt_type", "list" if isinstance(tgt, list) else "glob"))
    queue = options.get("queue", 0)
    if isinstance(queue, bool) or not isinstance(queue, int | float) or queue < 0:
        raise ReactionError(f"{where}: `queue` is a number of seconds, not {queue!r}")
    return Call(
        id=id,
        kind=kind,
        function=function,
        tgt=",".join(map(str, tgt)) if isinstance(tgt, list) else tgt,
        form=form,
        args=args,
        kwargs=kwargs,
        queue_s=float(queue),
    )


def _wheel(where: str, id: str, function: str, options: Mapping[str, Any]) -> Call:
    from saltern import names

    if function not in WHEEL:
        raise ReactionError(f"{where}: wheel has {', '.join(WHEEL)}, not {function!r}")
    match = options.get("match")
    try:
        minion = names.minion_id(match)  # one id: a glob could accept a key that nobody looked at
    except SalternError as error:
        raise ReactionError(f"{where}: `match` is one id: {error}") from None
    return Call(id=id, kind="wheel", function=function, tgt=minion)


def _options(where: str, given: Any, held: _Held) -> dict[str, Any]:
    parts = (
        [given] if isinstance(given, Mapping) else given if isinstance(given, list) else [] if given is None else None
    )
    if parts is None or not all(isinstance(part, Mapping) for part in parts):
        raise ReactionError(f"{where}: the options of a call are a list of `name: value`")
    found: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if held.holds(str(key)):
                raise ReactionError(f"{where}: the name of an option may not come from an event")
            found[str(key)] = held.given(value)
    return found


def _arguments(where: str, options: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    arg, kwarg, both = options.get("arg", []), options.get("kwarg", {}), options.get("args", [])
    args = list(arg) if isinstance(arg, list) else [arg]
    if not isinstance(kwarg, Mapping) or not isinstance(both, list | Mapping):
        raise ReactionError(f"{where}: `kwarg` is a mapping, `args` a list or a mapping")
    kwargs = {str(key): value for key, value in kwarg.items()}
    for part in [both] if isinstance(both, Mapping) else both:
        if isinstance(part, Mapping):
            kwargs.update({str(key): value for key, value in part.items()})
        else:
            args.append(part)
    return tuple(args), kwargs
