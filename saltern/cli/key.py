"""`saltern-key`: lists, accepts, rejects and deletes the keys of minions, and makes join tokens.

It asks the master; where none runs, it works on the master's store itself (`master.keys_offline`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from saltern.cli.duration import seconds
from saltern.cli.options import HELP, ROOT, VERSION, Option, Parsed, help_text, parse
from saltern.cli.terminal import guarded
from saltern.errors import SalternError, UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Key = Mapping[str, Any]

ACTIONS = ("list", "accept", "reject", "delete", "finger", "token")
KINDS = {
    "accepted": "accepted",
    "acc": "accepted",
    "pending": "pending",
    "pre": "pending",
    "unaccepted": "pending",
    "un": "pending",
    "rejected": "rejected",
    "rej": "rejected",
    "all": "all",
}
TITLES = {"accepted": "Accepted Keys:", "pending": "Unaccepted Keys:", "rejected": "Rejected Keys:"}
FROM = {"accept": ("pending",), "reject": ("pending",), "delete": ("accepted", "pending", "rejected")}


def _action(names: str, action: str, help: str) -> Option:
    return Option(names, help, dest="action", const=action, group="action")


def _action_on(names: str, action: str, metavar: str, help: str) -> Option:
    return Option(names, help, dest=action, metavar=metavar)


SALTS = (
    _action("-L --list-all", "list", "list all keys"),
    _action_on("-l --list", "list-kind", "KIND", "list the keys that are accepted, pending, rejected or all"),
    _action_on("-a --accept", "accept", "MATCH", "accept the pending keys that match"),
    _action("-A --accept-all", "accept-all", "accept all pending keys"),
    _action_on("-r --reject", "reject", "MATCH", "reject the pending keys that match"),
    _action("-R --reject-all", "reject-all", "reject all pending keys"),
    _action_on("-d --delete", "delete", "MATCH", "delete the keys that match"),
    _action("-D --delete-all", "delete-all", "delete all keys"),
    _action_on("-f --finger", "finger", "MATCH", "show the fingerprints of the keys that match"),
    _action("-F --finger-all", "finger-all", "show the fingerprints of the master and of all keys"),
)
CHANGING = (
    Option("-y --yes", "do not ask"),
    Option("--include-all", "accept and reject choose among the keys of all states"),
    Option("--include-accepted", "reject chooses among the accepted keys too"),
    Option("--include-rejected", "accept chooses among the rejected keys too"),
)
TOKENS = (
    Option("--minion", "the id, or the glob of ids, that the token is for (default: *)", metavar="MATCH"),
    Option("--ttl", "how long it can be used: 90s, 15m, 1h, 2d (default: 1h)", metavar="TIME"),
    Option("--uses", "how many minions can join with it (default: 1)", metavar="N"),
)
COMMON = (
    Option("--output --out", "the layout", metavar="FORMAT", choices=("nested", "json", "yaml", "quiet")),
    ROOT,
    HELP,
    VERSION,
)
OPTIONS = (*SALTS, *CHANGING, *TOKENS, *COMMON)
SECTIONS = (("as Salt's", SALTS), ("changing keys", CHANGING), ("token", TOKENS), ("common", COMMON))
USAGE = "saltern-key [options] list [KIND] | accept MATCH | reject MATCH | delete MATCH | finger [MATCH] | token"
PURPOSE = """\
Manages the keys of minions. MATCH is an id, a glob on ids, or a fingerprint (or at least its first 8 digits, with
colons). What would change is shown and asked for on a terminal; elsewhere a glob needs --yes."""
TAIL = """\
examples:
  saltern-key list
  saltern-key finger on-node1
  saltern-key accept on-node1
  saltern-key accept a1:b2:c3:d4:e5
  saltern-key token --minion 'on-*' --ttl 1h
  saltern-key delete 'on-*' --yes

exit codes:
  0  all went well
  1  it failed, was not confirmed, or the master can't be reached
  2  the command line is wrong, or no key matched
  130  interrupted
"""


def main(argv: list[str] | None = None) -> int:
    """The exit codes are those of `TAIL`."""
    return guarded("saltern-key", lambda: run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Do what ARGV asks; SalternError where it can't be done."""
    given = parse(OPTIONS, argv, words=None)
    if given.flag("help"):
        sys.stdout.write(help_text(USAGE, PURPOSE, SECTIONS, TAIL))
        return 0
    if given.flag("version"):
        from saltern import __version__

        sys.stdout.write(f"saltern-key {__version__}\n")
        return 0
    action, match = asked(given)
    if action == "token":
        return _token(given)
    if action == "list":
        return _list(given, match)
    if action == "finger":
        return _finger(given, match)
    return _change(given, action, match)


def asked(given: Parsed) -> tuple[str, str]:
    """The action and what it is to be done to, from a subcommand or from Salt's options. UsageError explains."""
    words, options = list(given.words), given.values
    found: list[tuple[str, str]] = [
        (action, str(options[action])) for action in ("accept", "reject", "delete", "finger") if action in options
    ]
    if "list-kind" in options:
        found.append(("list", str(options["list-kind"])))
    if "action" in options:
        found.append((str(options["action"]).removesuffix("-all"), "*" if options["action"] != "list" else "all"))
    if not found and words and words[0] in ACTIONS:
        action = words.pop(0)
        if action in FROM and not words:
            raise UsageError(f"{action} which keys? saltern-key {action} ID, GLOB or FINGERPRINT")
        found.append((action, words.pop(0) if words else {"list": "all", "finger": "*"}.get(action, "")))
    if not found and not words:
        found.append(("list", "all"))
    if words:
        hint = nearest(words[0], ACTIONS) if not found else ""
        raise UsageError(f"{words[0]!r} is not understood.{hint}\n{USAGE}")
    if len(found) > 1:
        raise UsageError(f"one action at a time, not both {found[0][0]} and {found[1][0]}")
    return found[0]


def select(keys: Mapping[str, Iterable[Key]], states: Iterable[str], match: str) -> list[Key]:
    """The keys in STATES that MATCH names: by id, by glob, or by a fingerprint's first 8 digits or more."""
    from fnmatch import fnmatchcase

    mark = _digits(match)
    return [
        key
        for state in states
        for key in keys.get(state, ())
        if fnmatchcase(key["id"], match) or (mark and key["fingerprint"].replace(":", "").startswith(mark))
    ]


def _digits(match: str) -> str:
    """The digits of MATCH where it is a fingerprint or the beginning of one, else nothing."""
    digits = match.replace(":", "").lower()
    is_mark = len(digits) >= 8 and (":" in match or len(digits) == 64) and set(digits) <= set("0123456789abcdef")
    return digits if is_mark else ""


def list_text(keys: Mapping[str, Iterable[Key]], kind: str) -> str:
    """The keys by state, as Salt lists them, each with its fingerprint."""
    from saltern.cli.output.safe import neutral_line

    states = TITLES if kind == "all" else {kind: TITLES[kind]}
    shown = {
        state: [(neutral_line(key["id"]), str(key["fingerprint"])) for key in keys.get(state, ())] for state in states
    }
    width = max((len(id) for rows in shown.values() for id, _ in rows), default=0)
    lines = []
    for state, title in states.items():
        lines += [title, *(f"{id:<{width}}  {neutral_line(mark)}" for id, mark in shown[state])]
    return "".join(f"{line}\n" for line in lines)


def _list(given: Parsed, kind: str) -> int:
    if kind not in KINDS:
        raise UsageError(f"there is no kind of keys {kind!r}.{nearest(kind, KINDS)} (accepted, pending, rejected, all)")
    data = _ask(given, {"action": "list"})
    kind = KINDS[kind]
    _show(given, data if kind == "all" else {kind: data.get(kind, [])}, list_text(data, kind))
    return 0


def _finger(given: Parsed, match: str) -> int:
    data = _ask(given, {"action": "finger", "match": match})
    from saltern.cli.output.safe import neutral_line

    minions = {neutral_line(id): neutral_line(mark) for id, mark in sorted(data["minions"].items())}
    width = max(map(len, [*minions, "fingerprint"])) + 1
    lines = [] if match != "*" else ["Master:", *(f"{n + ':':<{width}}  {v}" for n, v in _master(data).items())]
    lines += ["Minions:", *(f"{id + ':':<{width}}  {mark}" for id, mark in minions.items())]
    _show(given, data, "".join(f"{line}\n" for line in lines))
    return 0


def _master(data: Mapping[str, Any]) -> dict[str, str]:
    return {"fingerprint": str(data["master"]), "master_key": str(data["master_key"])}


def _token(given: Parsed) -> int:
    minion, uses = given.text("minion", "*"), given.text("uses", "1")
    if not (uses.isascii() and uses.isdigit() and int(uses[:9]) > 0 and len(uses) < 9):
        raise UsageError(f"--uses takes a number above 0, not {uses!r}")
    wanted = {
        "action": "token",
        "minion": minion,
        "ttl_s": seconds(given.text("ttl", "1h"), "--ttl"),
        "uses": int(uses),
    }
    data = _ask(given, wanted)
    _show(given, data, f"{data['token']}\n")
    if given.values.get("out") is None:
        who = "the minion" if "*" not in minion and "?" not in minion and "[" not in minion else "a minion"
        times = "once" if uses == "1" else f"{int(uses)} times"
        sys.stdout.flush()
        sys.stderr.write(
            f"For {who} {minion}, {times}, until {data['expires']}. On the minion: saltern-minion join TOKEN\n"
        )
    return 0


def _change(given: Parsed, action: str, match: str) -> int:
    """Accept, reject or delete. What was shown and confirmed is named by its fingerprint: nothing else changes."""
    states = _states(given, action)
    wanted = {"action": action, "match": match, "fingerprint": _digits(match) or None, "include": list(states)}
    if given.flag("yes"):
        changed = _ask(given, wanted)["changed"]
    else:
        chosen = select(_ask(given, {"action": "list"}), states, match)
        if not chosen:
            raise UsageError(f"no {' or '.join(states)} key matches {match!r} (saltern-key list shows all)")
        if action == "accept":
            _check_ids(chosen)
        _confirm(action, chosen, match)
        changed = []
        for key in chosen:
            one = {**wanted, "match": key["id"], "fingerprint": key["fingerprint"]}
            changed += _ask(given, one)["changed"]
    from saltern.cli.output.safe import neutral_line

    done = {"accept": "accepted", "reject": "rejected", "delete": "deleted"}[action]
    lines = [
        f"Key for minion {neutral_line(key['id'])} {done}. ({neutral_line(key['fingerprint'])})" for key in changed
    ]
    _show(given, {"changed": changed}, "".join(f"{line}\n" for line in lines))
    return 0


def _states(given: Parsed, action: str) -> tuple[str, ...]:
    states = FROM[action]
    if given.flag("include_all"):
        return FROM["delete"]
    more = [state for state in ("accepted", "rejected") if given.flag(f"include_{state}")]
    return (*states, *(state for state in more if state not in states))


def _check_ids(chosen: list[Key]) -> None:
    """Refuse to accept two keys that ask for one id: only a fingerprint tells the minion from an impostor."""
    ids = [key["id"] for key in chosen]
    for id in ids:
        if ids.count(id) > 1:
            marks = "".join(f"\n  {key['fingerprint']}" for key in chosen if key["id"] == id)
            raise UsageError(f"several keys ask for the id {id}; accept the right one by its fingerprint:{marks}")


def _confirm(action: str, chosen: list[Key], match: str) -> None:
    """Show what would be changed and ask. SalternError where the answer is no, or where nobody can be asked."""
    from saltern.cli.output.safe import neutral_line

    if not sys.stdin.isatty():
        if any(character in match for character in "*?["):
            raise UsageError(f"{match!r} may match several keys and nobody can be asked here: add --yes")
        return
    lines = [f"  {neutral_line(key['id'])}  {neutral_line(key['fingerprint'])}" for key in chosen]
    doing = {"accept": "accepted", "reject": "rejected", "delete": "deleted"}[action]
    sys.stderr.write("\n".join([f"The following keys are going to be {doing}:", *lines, "Proceed? [n/Y] "]))
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer or answer.strip().lower() not in ("", "y", "yes"):
        raise SalternError("nothing was changed")


def _ask(given: Parsed, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the master answers to a key request, or the store itself where no master runs."""
    from saltern.cli import client

    root, request = given.text("root", "/"), {"op": "key", **wanted}
    try:
        event = client.call(root, request)
    except client.MasterNotRunning as error:
        event = _offline(root, request, error)
    data = event.get("data")
    if not isinstance(data, dict):
        raise client.MasterLost("the master answered without data: do both have the same version?")
    return data


def _offline(root: str, request: dict[str, Any], error: SalternError) -> dict[str, Any]:
    import importlib
    from pathlib import Path

    try:
        handle = importlib.import_module("master.keys_offline").handle  # late: this package may not import the master
    except ModuleNotFoundError:
        raise error from None
    for event in handle(Path(root), request):
        if event["event"] == "error":
            from saltern.cli.client import MasterRefused

            raise MasterRefused(str(event["message"]), int(event.get("exit", 1)))
        if event["event"] == "data":
            return dict(event)
    return {}


def _show(given: Parsed, data: Mapping[str, Any], text: str) -> None:
    out = given.values.get("out")
    if out in ("json", "yaml", "quiet"):
        from saltern.cli.output import render_data

        text = render_data(dict(data), out=str(out))
    sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main())
