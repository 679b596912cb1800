"""Writes `docs/reference/states.md` and `docs/reference/modules.md` from the docstrings: `make docs`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from saltern import loader
from saltern.converge.state import is_state, reaction_of
from saltern.marks import kind_of

_ARGUMENT = re.compile(r"[a-z_]+(, [a-z_]+)*: ")
FOLDER = Path(__file__).parent / "reference"
PAGES: dict[str, tuple[str, str, Callable[[object], object]]] = {
    "states.md": ("states", "States", is_state),
    "modules.md": ("modules", "Execution modules", kind_of),
}


def page(package: str, title: str, offered: Callable[[object], object]) -> str:
    """The whole page of PACKAGE."""
    names = loader.namespaces(package)
    parts = [
        f"# {title}\n",
        "Made from the docstrings by `make docs`.\n",
        " · ".join(f"[{n}](#{n})" for n in names) + "\n",
    ]
    for name in names:
        module = loader.namespace(package, name)
        assert module is not None
        parts.append(f"## {name}\n\n{inspect.getdoc(module)}\n")
        for function, value in sorted(loader.functions(module, offered).items()):
            parts += _entry(f"{name}.{function}", value)
    return "\n".join(parts)


def _entry(name: str, function: Callable[..., Any]) -> Iterator[str]:
    words = [_word(p) for p in inspect.signature(function).parameters.values() if p.name != "ctx"]
    kind = {"acting": "acts", "reading": "reads"}.get(str(kind_of(function)), "")
    note = kind or ("reacts to `watch`" if reaction_of(function) else "")
    yield f"### {name}\n"
    yield f"`{' '.join([name, *words])}`" + (f" ({note})" if note else "") + "\n"
    yield "\n\n".join(map(_paragraph, (inspect.getdoc(function) or "").split("\n\n"))) + "\n"


def _paragraph(text: str) -> str:
    """TEXT, as a list where its lines explain arguments ("name: what it is")."""
    if not _ARGUMENT.match(text):
        return text
    return "\n".join(f"- {line}" if _ARGUMENT.match(line) else f"  {line.strip()}" for line in text.splitlines())


def _word(parameter: inspect.Parameter) -> str:
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return f"[{parameter.name.upper()}...]"
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return "[NAME=VALUE...]"
    if parameter.default is inspect.Parameter.empty:
        return f"{parameter.name}=..." if parameter.kind is inspect.Parameter.KEYWORD_ONLY else parameter.name.upper()
    shown = repr(parameter.default)
    return f"[{parameter.name}]" if shown == "UNSET" else f"[{parameter.name}={re.sub(r'<.*>', '...', shown)}]"


def main(words: list[str]) -> int:
    """Write the pages; with `--check` only say whether they are what they should be (exit code 1 if not)."""
    stale = []
    for file, (package, title, offered) in PAGES.items():
        text = page(package, title, offered)
        target = FOLDER / file
        if words == ["--check"]:
            if not target.exists() or target.read_text() != text:
                stale.append(str(target))
        else:
            FOLDER.mkdir(exist_ok=True)
            target.write_text(text)
    for name in stale:
        print(f"{name} is not what the docstrings say: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
