"""Options of the commands as one table each, from which the parser, `--help` and the shell completions are made.

`argparse` is not used for the commands that only talk to the master: it can't leave words that begin with `-` to the
function that is called, and building its tables costs as much as the rest of such a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from saltern.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Option:
    """One option: NAMES ("-t", "--timeout"), the key DEST of its value, and what it takes.

    METAVAR None is a flag, whose value is CONST. CHOICES are all values that are allowed. LATE options are also taken
    behind the function's name, in their long form, as Salt's users write them (`test.ping --out json`). GROUP options
    of one group exclude each other. MANY may be given several times: the value is a list.
    """

    __slots__ = ("choices", "const", "dest", "group", "help", "late", "many", "metavar", "names")

    def __init__(
        self,
        names: str,
        help: str,
        *,
        dest: str | None = None,
        metavar: str | None = None,
        const: object = True,
        choices: Sequence[str] = (),
        late: bool = False,
        group: str | None = None,
        many: bool = False,
    ) -> None:
        self.names, self.many = tuple(names.split()), many
        self.help, self.metavar, self.const = help, metavar, const
        self.choices, self.late, self.group = tuple(choices), late, group
        self.dest = dest or self.names[-1].lstrip("-").replace("-", "_")

    def accept(self, given: str, text: str) -> str:
        """TEXT, if the option takes it. UsageError lists the choices."""
        if not self.choices or text in self.choices:
            return text
        hint = nearest(text, self.choices) if text else ""
        raise UsageError(f"{given} takes one of {', '.join(self.choices)}, not {text!r}.{hint}")


HELP = Option("-h --help", "show this help; behind a function: what is known of it", late=True)
VERSION = Option("--version", "show the version")
ROOT = Option("--root", "the master whose files lie below DIR (default: /)", metavar="DIR", late=True)
COMPLETION = Option(
    "--completion", "print the completion script for SHELL", metavar="SHELL", choices=("bash", "zsh", "fish")
)
LOG_LEVEL = Option(
    "-l --log-level",
    "with debug, show what the master says, line by line",
    metavar="LEVEL",
    choices=("quiet", "critical", "error", "warning", "info", "debug", "trace", "garbage", "profile", "all"),
    late=True,
)
COLOUR = (
    Option("--no-colour --no-color", "no colours", dest="colour", const=False, late=True),
    Option("--force-colour --force-color", "colours even where the output is no terminal", dest="colour", late=True),
)


class Parsed:
    """What was given: VALUES by `dest`, WORDS before the function's own arguments, and the REST, untouched."""

    __slots__ = ("rest", "values", "words")

    def __init__(self, values: dict[str, Any], words: list[str], rest: list[str]) -> None:
        self.values, self.words, self.rest = values, words, rest

    def text(self, dest: str, default: str = "") -> str:
        """The value of an option that takes one, or DEFAULT."""
        value = self.values.get(dest)
        return default if value is None else str(value)

    def texts(self, dest: str) -> list[str]:
        """The values of an option that may be given several times, in order."""
        return list(self.values.get(dest, ()))

    def flag(self, dest: str) -> bool:
        """Whether a flag was given."""
        return self.values.get(dest) is True


def parse(table: Iterable[Option], argv: Sequence[str], words: int | None) -> Parsed:
    """Read ARGV. After WORDS words that are no options the rest is the function's (None: there is no function).

    The first `--` ends the options. UsageError names what is wrong and the nearest option.
    """
    known = {name: option for option in table for name in option.names}
    late = {name: option for name, option in known.items() if option.late and name.startswith("--")}
    found = Parsed({}, [], [])
    queue = list(reversed(argv))
    open_ = True
    while queue:
        word = queue.pop()
        behind = words is not None and len(found.words) >= words
        if open_ and word == "--":
            open_ = False
        elif open_ and not behind and len(word) > 1 and word[0] == "-":
            _take(known, word, queue, found)
        elif open_ and behind and word.partition("=")[0] in late:
            _take(late, word, queue, found)
        else:
            (found.rest if behind else found.words).append(word)
    return found


def _take(known: Mapping[str, Option], word: str, queue: list[str], found: Parsed) -> None:
    """Take the option WORD (`--name`, `--name=value`, `-n`, `-nVALUE`, `-abc`) and its value, which may be next."""
    name, equals, value = word.partition("=")
    if not word.startswith("--"):
        name, equals, value = word[:2], "", word[2:]
    option = known.get(name)
    if option is None:
        raise UsageError(f"there is no option {name}.{nearest(name, known)} (--help lists all)")
    if option.metavar is None:
        if equals:
            raise UsageError(f"{name} takes no value, but {value!r} was given")
        if value:
            queue.append("-" + value)
        _set(found, option, name, option.const)
        return
    if not (equals or value):
        if not queue:
            raise UsageError(f"{name} needs a value: {name} {option.metavar}")
        value = queue.pop()
    _set(found, option, name, option.accept(name, value))


def _set(found: Parsed, option: Option, given: str, value: object) -> None:
    if option.group:
        before = found.values.setdefault(f"_{option.group}", given)
        if before != given and before not in option.names:
            raise UsageError(f"{before} and {given} exclude each other: give one of them")
    if option.many:
        found.values.setdefault(option.dest, []).append(value)
    else:
        found.values[option.dest] = value


def help_text(usage: str, about: str, sections: Sequence[tuple[str, Sequence[Option]]], tail: str) -> str:
    """The text of `--help`: USAGE and ABOUT, the options by section, and TAIL (examples, exit codes)."""
    lines = [f"usage: {usage}", "", about]
    for title, table in sections:
        lines += ["", f"{title}:"]
        for option in table:
            given = ", ".join(option.names) + (f" {option.metavar}" if option.metavar else "")
            note = option.help + (f": {', '.join(option.choices)}" if option.choices else "")
            head = f"  {given:<30}" if len(given) < 30 else f"  {given}\n{'':<32}"
            lines.append(head + _wrapped(note, 32))
    return "\n".join([*lines, "", tail.rstrip()]) + "\n"


def _wrapped(text: str, indent: int) -> str:
    import textwrap

    return ("\n" + " " * indent).join(textwrap.wrap(text, 100 - indent))
