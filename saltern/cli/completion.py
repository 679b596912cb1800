"""Completion scripts for bash, zsh and fish, made from the tables of options that the commands parse with.

The names of functions are read from the files of the packages `modules` without importing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from saltern.cli import key, run
from saltern.cli.options import Option

if TYPE_CHECKING:
    from pathlib import Path


class Command:
    """What can be completed of one command: OPTIONS, and by position (from 1) the WORDS that stand there."""

    __slots__ = ("name", "options", "words")

    def __init__(self, name: str, options: Sequence[Option], words: Mapping[int, Sequence[str]]) -> None:
        self.name, self.options, self.words = name, options, words


def script(shell: str, options: Sequence[Option]) -> str:
    """The completion script of `saltern`, whose OPTIONS are given, `saltern-key` and `saltern-run` for SHELL (bash, zsh
    or fish)."""
    commands = (
        Command("saltern", options, {2: functions()}),
        Command("saltern-key", key.OPTIONS, {1: key.ACTIONS}),
        Command("saltern-run", run.OPTIONS, {1: [name for name, _ in run.RUNNERS]}),
    )
    if shell == "fish":
        return "\n".join(line for command in commands for line in _fish(command)) + "\n"
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return head + _COUNT + "".join(_bash(command) for command in commands)


def functions(package: str = "modules") -> list[str]:
    """The names of the execution functions, as users write them, also those that lie in a part of their namespace
    (`modules/_virt/pool.py`). Nothing is imported."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec(package)
    names = []
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("[a-z]*.py")):
            space = file.stem.rstrip("_")
            names += [f"{space}.{name.rstrip('_')}" for name in _functions(file, f"{package}._{space}.")]
    return names


def _functions(file: Path, parts: str = "") -> list[str]:
    """The functions that FILE offers: its own, and those that it imports from modules whose names begin with PARTS."""
    import ast

    found = []
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and _offered(node.decorator_list):
            found.append(node.name)
        elif parts and isinstance(node, ast.ImportFrom) and (node.module or "").startswith(parts):
            offered = _functions(file.parent.joinpath(*str(node.module).split(".")[1:]).with_suffix(".py"))
            found += [one.name for one in node.names if one.name in offered]
    return found


def _offered(decorators: Iterable[object]) -> bool:
    return any(getattr(one, "id", None) in ("reading", "acting") for one in decorators)


# How many words that are no options stand before the cursor. $1: the options that take a value.
_COUNT = """\
_saltern_position() {
    local i word skip=0 count=1
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((skip)); then skip=0; continue; fi
        case "$word" in
            -*) [[ " $1 " == *" $word "* ]] && skip=1 ;;
            *) ((count++)) ;;
        esac
    done
    echo "$count"
}
"""


def _bash(command: Command) -> str:
    shell_name = "_" + command.name.replace("-", "_")
    names = " ".join(name for option in command.options for name in option.names)
    with_value = " ".join(name for option in command.options if option.metavar for name in option.names)
    cases = []
    for option in command.options:
        if option.choices or option.metavar == "DIR":
            what = f'-W "{" ".join(option.choices)}"' if option.choices else "-d"
            cases.append(f'        {"|".join(option.names)}) COMPREPLY=($(compgen {what} -- "$word")); return ;;')
    positions = [
        f'        {position}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")) ;;'
        for position, words in command.words.items()
    ]
    return "\n".join(
        [
            f"{shell_name}() {{",
            '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
            "    COMPREPLY=()",
            '    case "$before" in',
            *cases,
            "    esac",
            f'    if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "{names}" -- "$word")); return; fi',
            f'    case "$(_saltern_position "{with_value}")" in',
            *positions,
            "    esac",
            "}",
            f"complete -F {shell_name} {command.name}",
            "",
        ]
    )


def _fish(command: Command) -> Iterable[str]:
    yield f"complete -c {command.name} -f"
    for option in command.options:
        parts = [f"complete -c {command.name}"]
        parts += [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
        if option.choices:
            parts.append(f"-x -a {_quoted(' '.join(option.choices))}")
        elif option.metavar:
            parts.append("-r -F" if option.metavar == "DIR" else "-x")
        yield " ".join([*parts, "-d", _quoted(option.help)])
    for position, words in command.words.items():
        seen = f"test (count (commandline -opc | string match -v -- '-*')) -eq {position}"
        yield f'complete -c {command.name} -n "{seen}" -a {_quoted(" ".join(words))}'


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
