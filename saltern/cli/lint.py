"""`saltern-lint`: finds what would fail in a state tree, without a minion and without a run."""

from __future__ import annotations

import os
import sys

from saltern.cli.options import COLOUR, HELP, VERSION, Option, Parsed, help_text, parse
from saltern.cli.terminal import guarded, wants_colour
from saltern.errors import NoValue, SalternError, SourceError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from saltern.context import Context
    from saltern.sls.lint import Report

WHERE = (
    Option("--pillar-root", "the pillar tree (default: the folder `pillar` beside PATH)", metavar="DIR", late=True),
    Option("--id", "render as this minion (default: lint)", metavar="NAME", late=True),
    Option("--grains", "render with these grains, as JSON or in a FILE", metavar="JSON|@FILE", late=True),
    Option("--strict", "a value that is missing here is an error too", late=True),
)
HOW = (
    Option("--out --output", "the layout", dest="out", metavar="FORMAT", choices=("text", "json"), late=True),
    *COLOUR,
    HELP,
    VERSION,
)
USAGE = "saltern-lint [options] PATH [SLS ...]"
PURPOSE = """\
Finds what would fail in the state tree PATH (or in PATH/states), in one pass: templates, YAML, top file, includes,
unknown states and arguments, requisites, files that are named and not there."""
TAIL = """\
examples:
  saltern-lint /srv/saltern/states
  saltern-lint . --id on-node1 --grains '{"os": "Debian"}'
  saltern-lint states nfs.server network --out json

exit codes:
  0  nothing is wrong
  1  something is
  2  the command line is wrong
"""


def main(argv: list[str] | None = None) -> int:
    """The exit codes are those of `TAIL`."""
    return guarded("saltern-lint", lambda: run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Do what ARGV asks; SalternError where it can't be done."""
    given = parse((*WHERE, *HOW), argv, words=None)
    if given.flag("help"):
        sys.stdout.write(help_text(USAGE, PURPOSE, (("what to look at", WHERE), ("output", HOW)), TAIL))
        return 0
    if given.flag("version"):
        from saltern import __version__

        sys.stdout.write(f"saltern-lint {__version__}\n")
        return 0
    if not given.words:
        raise UsageError(f"which tree? usage: {USAGE}")
    report, pillar = examined(given)
    errors = [*(error for error in pillar if not isinstance(error, NoValue)), *report.errors]
    unknown = [*(error for error in pillar if isinstance(error, NoValue)), *report.unknown]
    if given.flag("strict"):
        errors, unknown = [*errors, *unknown], []
    if given.text("out") == "json":
        import json

        sys.stdout.write(json.dumps(document(report.sls, errors, unknown), indent=4) + "\n")
    else:
        colour = wants_colour(given.values.get("colour"), sys.stdout, os.environ)
        sys.stdout.write(told(report.sls, errors, unknown, colour))
    return 1 if errors else 0


def examined(given: Parsed) -> tuple[Report, tuple[SourceError, ...]]:
    """What is wrong with the state tree, and with the pillar."""
    import importlib
    from pathlib import Path

    from saltern.cli.call import read_grains
    from saltern.sls.lint import lint

    path = Path(given.words[0]).absolute()
    if not path.is_dir():
        raise UsageError(f"there is no directory {given.words[0]}")
    states = path / "states" if (path / "states").is_dir() and not any(path.glob("*.sls")) else path
    named = given.text("pillar_root")
    pillar = Path(named).absolute() if named else states.parent / "pillar"
    if named and not pillar.is_dir():
        raise UsageError(f"--pillar-root: there is no directory {named}")
    grains = given.text("grains")
    entry = importlib.import_module("minion.local")  # late: this package may not import the minion
    nowhere = Path("/nonexistent")  # no configuration of this machine has a say
    ctx = entry.build_context(
        root=nowhere,
        id=given.text("id", "lint"),
        file_roots=[str(states)],
        pillar_roots=[str(pillar)],
        grains=read_grains(grains) if grains else None,
        offer_custom=False,  # the tree's code is read, never run
    )
    from dataclasses import replace

    values, wrong = _pillar(ctx, pillar) if pillar.is_dir() else ({}, ())
    return lint(replace(ctx, pillar=values), given.words[1:] or None), wrong


def told(sls: int, errors: Iterable[SourceError], unknown: Iterable[SourceError], colour: bool) -> str:
    """The findings as text, with a line that counts them."""
    from saltern.cli.output.safe import neutral

    red, amber, plain = ("\x1b[31m", "\x1b[33m", "\x1b[0m") if colour else ("", "", "")
    errors, unknown = list(errors), list(unknown)
    lines = [f"{red}error{plain} {neutral(str(error))}\n" for error in errors]
    lines += [f"{amber}unknown here{plain} {neutral(str(error))}\n" for error in unknown]
    known = f", {len(unknown)} unknown here: give --id, --grains or --pillar-root" if unknown else ""
    lines.append(f"{sls} SLS, {len(errors)} error{'' if len(errors) == 1 else 's'}{known}\n")
    return "\n".join(lines)


def document(sls: int, errors: Iterable[SourceError], unknown: Iterable[SourceError]) -> dict[str, Any]:
    """The findings as data: {"sls": count, "findings": [{"severity", "file", "line", "column", "message", "hint"}]}."""
    findings = [
        {
            "severity": severity,
            "file": error.file,
            "line": error.line,
            "column": error.column,
            "message": error.message,
            "hint": error.hint,
        }
        for severity, group in (("error", errors), ("unknown", unknown))
        for error in group
    ]
    return {"sls": sls, "findings": findings}


def _pillar(ctx: Context, root: Path) -> tuple[Mapping[str, Any], tuple[SourceError, ...]]:
    """The pillar of the minion that CTX stands for, from the tree ROOT (nothing where it can't be made), and what is
    wrong with that tree. What is sealed in it is not opened."""
    import importlib

    from saltern.files import LocalFiles
    from saltern.secret import Secret
    from saltern.sls.problems import Problems

    linter, compiler = importlib.import_module("pillar.lint"), importlib.import_module("pillar.compiler")
    files, problems = LocalFiles({"base": [str(root)]}), Problems()
    for error in linter.errors(files, ctx.id, ctx.grains):
        problems.add(error)
    values: Mapping[str, Any] = {}
    try:
        values = compiler.compile_pillar(files, ctx.id, ctx.grains, opener=lambda minions, box: Secret("sealed"))
    except SourceError as error:
        problems.add(error)
    except SalternError as error:
        problems.add(SourceError(str(error)))
    return values, tuple(_below(root.name, error) for error in problems.found)


def _below(folder: str, error: SourceError) -> SourceError:
    """ERROR with its file named from above FOLDER, so that it is told from one of the state tree."""
    if error.file is None:
        return error
    return type(error)(
        error.message,
        file=f"{folder}/{error.file}",
        line=error.line,
        column=error.column,
        excerpt=error.excerpt,
        hint=error.hint,
    )


if __name__ == "__main__":
    sys.exit(main())
