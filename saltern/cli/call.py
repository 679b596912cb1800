"""`saltern-call`: runs a function on this node, with the agent or, by `--local`, without any.

What a machine reads is one document on standard output and nothing else; messages go to standard error. Nothing heavy
is imported here: the quickest call takes a few times what Python itself needs to start.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from saltern.cli import arguments
from saltern.cli.options import COLOUR, HELP, LOG_LEVEL, VERSION, Option, Parsed, help_text, parse
from saltern.cli.output import FORMATS
from saltern.errors import SalternError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHERE = (
    Option("--local", "use only what is on this node: no agent, no master, no network", late=True),
    Option(
        "--root",
        "Saltern's own files lie below DIR (default: /): configuration, locks, copies, the network of the next boot; "
        "states act where they say",
        metavar="DIR",
        late=True,
    ),
    Option("-c --config-dir", "the file `minion` lies in DIR (default: ROOT/etc/saltern)", metavar="DIR", late=True),
    Option("--id", "the minion's id (default: as configured, else the host's name)", metavar="NAME", late=True),
)
_WHAT = (
    Option(
        "--file-root",
        "the state tree of the environment base; of several, the first that has a file gives it",
        metavar="DIR",
        late=True,
        many=True,
    ),
    Option("--pillar-root", "the pillar tree of the environment base, the same", metavar="DIR", late=True, many=True),
    Option("--grains", "grains that win over what is found, as JSON or in a FILE", metavar="JSON|@FILE", late=True),
)
_HOW = (
    Option("--out --output", "how the return is shown", dest="out", metavar="FORMAT", choices=FORMATS, late=True),
    *COLOUR,
    Option("-l --log-level", "log to standard error", metavar="LEVEL", choices=LOG_LEVEL.choices, late=True),
    Option("--retcode-passthrough", "taken for scripts made for Salt; it is always so", late=True),
    HELP,
    VERSION,
)
_SECTIONS = (("where things lie", _WHERE), ("with --local", _WHAT), ("output", _HOW))
_LEVELS = LOG_LEVEL.choices
_TABLE = (*_WHERE, *_WHAT, *_HOW)
_USAGE = "saltern-call [options] FUNCTION [arguments] [name=argument ...]"
_TAIL = """\
examples:
  saltern-call --local test.ping
  saltern-call state.apply test=True
  saltern-call --local --file-root states --pillar-root pillar state.apply web --out json
  saltern-call --local --grains '{"role": "filer"}' state.show_top

exit codes: 0 all well, 1 something failed, 2 the command line is wrong
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0 all well, 1 something failed, 2 usage.

    As a command (without ARGV) it leaves without taking Python down piece by piece, a tenth of a short call.
    """
    if argv is None:
        import gc
        import os

        gc.set_threshold(100_000, 20, 20)  # loading code makes objects that stay: don't look through them for garbage
        code = _guarded(sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return _guarded(argv)


def _guarded(argv: Sequence[str]) -> int:
    """`_main`, errors told in one message."""
    try:
        code = _main(argv)
        sys.stdout.flush()  # here, where a reader that has gone is noticed
        return code
    except SalternError as error:
        print(f"saltern-call: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who read the output has seen enough
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _main(argv: Sequence[str]) -> int:
    chosen = parse(_TABLE, _with_long_level(argv), 1)
    if chosen.flag("help") and chosen.words:
        return _main(["--local", "sys.doc", chosen.words[0]])
    if chosen.flag("help"):
        print(help_text(_USAGE, "Runs a function on this node.", _SECTIONS, _TAIL), end="")
        return 0
    if chosen.flag("version"):
        from saltern import __version__

        print(f"saltern-call {__version__}")
        return 0
    if not chosen.words:
        raise UsageError(f"which function? usage: {_USAGE}")
    if level := chosen.text("log_level"):
        _set_up_log(level)
    function = chosen.words[0]
    args, kwargs = arguments.parse(chosen.rest)
    import importlib

    entry = importlib.import_module("minion.local")  # late: this package may not import the minion
    settings = _settings(chosen)
    live = function.startswith("state.") and chosen.text("out") != "quiet" and sys.stderr.isatty()
    if live:
        settings["progress"] = _tell_progress
    out, sys.stdout = sys.stdout, sys.stderr  # an SLS in Python, or a module, may print
    try:
        result = entry.run(function, args, kwargs, local=chosen.flag("local"), **settings)
    finally:
        sys.stdout = out
    if live:
        sys.stderr.write("\r\x1b[K")
    if result.misused:
        raise UsageError(str(result.value))
    _print({"local": result.value}, function, chosen)
    return 0 if result.success and result.retcode == 0 else 1


def _with_long_level(argv: Sequence[str]) -> list[str]:
    """ARGV with `-l LEVEL` in its long form, which is taken behind the function too: `state.apply -l debug`."""
    pairs = zip(argv, [*argv[1:], ""], strict=True)
    return ["--log-level" if word == "-l" and level in _LEVELS else word for word, level in pairs]


def _settings(chosen: Parsed) -> dict[str, Any]:
    """The arguments of `minion.local.build_context`."""
    from pathlib import Path

    directory = chosen.text("config_dir")
    return {
        "root": Path(chosen.text("root", "/")).absolute(),
        "directory": _folder("-c", directory) if directory else None,
        "id": chosen.text("id"),
        "file_roots": [str(_folder("--file-root", given)) for given in chosen.texts("file_root")],
        "pillar_roots": [str(_folder("--pillar-root", given)) for given in chosen.texts("pillar_root")],
        "grains": read_grains(given) if (given := chosen.text("grains")) else None,
    }


def _folder(option: str, given: str) -> Any:
    from pathlib import Path

    folder = Path(given).absolute()
    if not folder.is_dir():
        raise UsageError(f"{option}: there is no directory {given}")
    return folder


def read_grains(given: str) -> Mapping[str, Any]:
    """The grains of `--grains`. UsageError says where they are no JSON."""
    import json

    text, place = given, "--grains"
    if given.startswith("@"):
        place = given[1:]
        try:
            with open(place, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--grains: {place}: {getattr(error, 'strerror', None) or error}") from None
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{place}:{error.lineno}:{error.colno}: {error.msg}: grains are given as JSON") from None
    if not isinstance(found, dict):
        raise UsageError(f'{place}: grains are a mapping, like {{"role": "filer"}}, not {text[:60]}')
    return found


def _print(returned: Mapping[str, Any], function: str, chosen: Parsed) -> None:
    """Show what was RETURNED as asked."""
    out = chosen.text("out")
    if out == "json":
        print(_json(returned))
        return
    from saltern.cli.output import render

    colour = chosen.values.get("colour")
    if colour is None:
        import os

        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    if not isinstance(returned["local"], str | int | float | None):
        from saltern.converge.compare import plain

        returned = plain(returned)
    sys.stdout.write(render(returned, function=function, out=out or None, colour=bool(colour)))


def _tell_progress(step: int, total: int, state_id: str) -> None:
    """The state that runs now, on one line of the terminal."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in state_id)[:60]
    sys.stderr.write(f"\r\x1b[K{step}/{total} {shown}")
    sys.stderr.flush()


def _json(returned: Mapping[str, Any]) -> str:
    """One document, indented as Salt's."""
    import json

    try:
        return json.dumps(returned, indent=4)
    except (TypeError, ValueError):  # something in it is a secret, a set, a key that is no text, …
        from saltern.converge.compare import plain

        return json.dumps(plain(returned), indent=4)


def _set_up_log(level: str) -> None:
    import logging

    known = {"trace": "debug", "garbage": "debug", "all": "debug", "profile": "info", "quiet": "critical"}
    logging.basicConfig(level=known.get(level, level).upper(), format="%(levelname)s %(name)s: %(message)s")


if __name__ == "__main__":
    sys.exit(main())
