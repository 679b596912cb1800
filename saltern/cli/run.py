"""`saltern-run`: calls a runner, a function of the master itself."""

from __future__ import annotations

import os
import sys

from saltern.cli.options import COLOUR, HELP, LOG_LEVEL, ROOT, VERSION, Option, Parsed, help_text, parse
from saltern.cli.terminal import guarded, wants_colour
from saltern.errors import SalternError, UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from saltern.cli.orchestration import Way

FORMATS = ("nested", "highstate", "json", "yaml", "table", "txt", "pprint", "quiet")
RUNNERS = (
    ("state.orchestrate", "run an SLS that acts on targets in order: state.orchestrate SLS [pillar={}] [test=True]"),
    ("state.explain", "why a state of a minion would run, wait or react: state.explain MINION ID [SLS]"),
    ("jobs.list_jobs", "the latest jobs: jobs.list_jobs [function='state.*'] [minion=ID] [since=2d] [outcome=failed]"),
    ("jobs.lookup_jid", "one job and what each of its targets returned: jobs.lookup_jid JID"),
    ("jobs.last_run", "the latest job of a function: jobs.last_run 'state.*' [minion=ID]"),
    ("jobs.exit_success", "whether a job ended well on each target: jobs.exit_success JID"),
    ("jobs.why", "why the state runs of a minion fail, since when, and what changed: jobs.why ID"),
    ("jobs.active", "the jobs that have not ended everywhere"),
    ("jobs.stop", "end an orchestration: jobs.stop JID"),
    ("jobs.prune", "forget the jobs that are older: jobs.prune HOURS"),
    ("drift.report", "what differs from the states, where and since when: drift.report [TARGET]"),
    ("manage.up", "the minions that are connected"),
    ("manage.down", "the accepted minions that are not connected"),
    ("manage.status", "both, with address, round-trip time, and when they were last seen"),
    ("mine.get", "what minions tell of themselves: mine.get TARGET FUNCTION [tgt_type=FORM]"),
    ("manage.returners", "what the returners delivered, what waits, what was dropped"),
    ("network.graph", "networks as declared and as they are: network.graph TARGET [--out-file FILE.svg]"),
    ("vnet.leases", "the addresses of virtual networks and who has them: vnet.leases [VNET]"),
    ("vnet.reserve", "keep an address for a guest: vnet.reserve VNET GUEST ADDRESS"),
    ("vnet.release", "take back a guest's address: vnet.release VNET GUEST"),
    ("vnet.move", "let another minion hold it: vnet.move VNET GUEST MINION"),
    ("pillar.show_pillar", "the pillar of a minion: pillar.show_pillar ID [pillarenv=ENV]"),
    ("pillar.encrypt", "seal a value for the pillar tree; it is asked for: pillar.encrypt [minions='web*']"),
    ("pillar.sealed", "the sealed values of the pillar trees, and with which key"),
    ("pillar.rotate", "make a new key that seals values; those from before still open them"),
    ("pillar.reseal", "seal anew what an older key sealed: pillar.reseal [SEALED[…]] [test=True]"),
    ("state.event", "follow what happens on the master: state.event ['salt/job/*'] [pretty=True] [count=N]"),
    ("event.send", "tell the event bus: event.send TAG name=value"),
    ("schedule.list", "what the master calls by itself, and when"),
    ("doc.runner", "all runners of this master and what they do"),
)
OPTIONS = (
    Option("--output --out", "the layout", metavar="FORMAT", choices=FORMATS, late=True),
    Option("--out-file", "write into FILE; a graph is drawn where it ends in .svg", metavar="FILE", late=True),
    Option("--progress", "show how far an orchestration is, even where standard error is no terminal", late=True),
    Option("--no-progress", "do not show how far an orchestration is", dest="progress", const=False, late=True),
    LOG_LEVEL,
    ROOT,
    *COLOUR,
    HELP,
    VERSION,
)
USAGE = "saltern-run [options] FUNCTION [argument ...] [name=argument ...]"
PURPOSE = "Calls a runner: a function of the master itself. Arguments are YAML."
TAIL = (
    "runners:\n"
    + "".join(f"  {name:<18}  {what}\n" for name, what in RUNNERS)
    + """
examples:
  saltern-run manage.status
  saltern-run state.orchestrate orch.platform test=True
  saltern-run jobs.list_jobs limit=5
  saltern-run jobs.lookup_jid 20261121050354123456 --out json
  saltern-run state.event 'salt/job/*' pretty=True
  saltern-run network.graph 'on-node*' --out-file network.svg

exit codes:
  0  all went well
  1  it failed, or the master does not run
  2  the command line is wrong
  130  interrupted
"""
)


def main(argv: list[str] | None = None) -> int:
    """The exit codes are those of `TAIL`."""
    return guarded("saltern-run", lambda: run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Do what ARGV asks; SalternError where it can't be done."""
    given = parse(OPTIONS, argv, words=1)
    if given.flag("help") and given.words:
        sys.stdout.write(f"{given.words[0]}: {what(given.words[0])}\n")
        return 0
    if given.flag("help"):
        sys.stdout.write(help_text(USAGE, PURPOSE, (("options", OPTIONS),), TAIL))
        return 0
    if given.flag("version"):
        from saltern import __version__

        sys.stdout.write(f"saltern-run {__version__}\n")
        return 0
    if given.words[:1] == ["state.event"]:
        from saltern.cli import arguments, follow

        args, kwargs = arguments.parse(given.rest)
        colour = wants_colour(given.values.get("colour"), sys.stdout, os.environ)
        return follow.run(given.text("root", "/"), args, kwargs, colour=colour)
    from saltern.cli import client

    well, debug = True, given.text("log_level") in ("debug", "trace", "all")
    way: Way | None = None
    try:
        for event in client.events(given.text("root", "/"), request(given)):
            if debug:
                sys.stderr.write(f"{event!a}\n")
            if event["event"] in ("job", "progress", "returned"):
                from saltern.cli.orchestration import Way

                way = way or Way(given.text("root", "/"), given.values.get("progress"))
                way.take(event)
            elif event["event"] == "data":
                if way:
                    way.clear()
                _give(event, given)
            elif event["event"] == "end":
                well = event.get("ok") is not False
    except (KeyboardInterrupt, client.MasterLost) as error:
        if way or given.words[:1] == ["state.orchestrate"]:
            from saltern.cli.orchestration import Way

            way = way or Way(given.text("root", "/"), False)
            way.goes_on(lost=isinstance(error, client.MasterLost))
        raise
    return 0 if well else 1


def what(runner: str) -> str:
    """What RUNNER does, in a line. UsageError where it is none of those that every master has."""
    known = dict(RUNNERS)
    if runner not in known:
        said = "is none that every master has; `saltern-run doc.runner` lists what this one has"
        raise UsageError(f"{runner} {said}.{nearest(runner, known)}")
    return known[runner]


def _give(event: dict[str, Any], given: Parsed) -> None:
    """Show or write what came."""
    data, out, suits = event.get("data"), given.values.get("out"), str(event.get("out") or "nested")
    file = given.text("out_file")
    if not file:
        sys.stdout.write(shown(data, out, suits, wants_colour(given.values.get("colour"), sys.stdout, os.environ)))
        return
    if file.endswith(".svg"):
        from saltern.cli import network

        if suits != "network" or not isinstance(data, dict):
            raise UsageError(f"{given.words[0]} draws no picture: network.graph does")
        text = network.picture(data)
    else:
        text = shown(data, out, suits, given.values.get("colour") is True)
    try:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError as error:
        raise SalternError(f"{file}: can't be written: {error.strerror}") from None


def request(given: Parsed) -> dict[str, Any]:
    """What to ask the master for. UsageError where FUNCTION is missing."""
    from saltern.cli import arguments

    if not given.words:
        raise UsageError(f"FUNCTION is missing: {USAGE}")
    args, kwargs = arguments.parse(given.rest)
    if given.words[0] == "pillar.encrypt" and not args and "value" not in kwargs:
        args = [_secret()]
    return {"op": "runner", "function": given.words[0], "args": args, "kwargs": kwargs}


def _secret() -> str:
    """What is to be sealed, from the terminal without an echo, or all of standard input without its last line break:
    a command line is seen by all, and kept in histories."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Value: ")
    return sys.stdin.read().removesuffix("\n")


def shown(data: Any, out: str | None, suits: str, colour: bool) -> str:
    """The text for DATA in the layout OUT, or else in the one that SUITS it."""
    from saltern.cli.output import render_data

    layout = out or suits
    if layout == "network" and isinstance(data, dict):
        from saltern.cli import network

        return network.tree(data, colour=colour)
    if layout in ("orchestration", "highstate") and isinstance(data, dict) and suits == "orchestration":
        from saltern.cli import orchestration

        return orchestration.text(data, colour=colour)
    if layout in ("job", "highstate") and isinstance(data, dict) and isinstance(data.get("Result"), dict):
        return _job(data, colour)
    return render_data(data, out=layout, colour=colour)


def _job(data: dict[str, Any], colour: bool) -> str:
    """A job of the store: what it is, then what each target returned, as `saltern` showed it."""
    from saltern.cli.orchestration import shortened
    from saltern.cli.output import render, render_data, render_fleet

    ends = {minion: end for minion, end in data["Result"].items() if isinstance(end, dict)}
    returns = {minion: shortened(end.get("return")) for minion, end in ends.items()}
    outcomes = {minion: str(end.get("outcome")) for minion, end in ends.items()}
    function = str(data.get("Function", ""))
    head = render_data({key: value for key, value in data.items() if key != "Result"}, colour=colour)
    fleet = render_fleet(returns, outcomes, function=function, colour=colour)
    body = render(returns, function=function, outcomes=outcomes, colour=colour)
    return "\n".join(part for part in (head, body, fleet) if part)


if __name__ == "__main__":
    sys.exit(main())
