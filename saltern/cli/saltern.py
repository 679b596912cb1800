"""`saltern`: calls a function on minions and shows what they return, each as it arrives."""

from __future__ import annotations

import os
import sys

from saltern.cli.options import COLOUR, COMPLETION, HELP, LOG_LEVEL, ROOT, VERSION, Option, Parsed, help_text, parse
from saltern.cli.terminal import INTERRUPTED, guarded, wants_colour
from saltern.errors import SalternError, UsageError

SOME = 5  # minions that one line names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMATS = ("nested", "highstate", "json", "yaml", "table", "txt", "pprint", "quiet")  # as saltern.cli.output.FORMATS
STATE_OUTPUTS = ("full", "terse", "mixed", "changes", "full_id", "terse_id", "mixed_id", "changes_id")
BOOLEANS = {"true": True, "false": False}


def _form(names: str, form: str, help: str) -> Option:
    return Option(names, help, dest="form", const=form, group="form")


TARGETS = (
    _form("-E --pcre", "pcre", "TARGET is a regular expression on the id"),
    _form("-L --list", "list", "TARGET is a list of ids: on-node1,on-node2"),
    _form("-G --grain", "grain", "TARGET is a grain and a glob: os:Debian"),
    _form("-P --grain-pcre", "grain_pcre", "TARGET is a grain and a regular expression: os:(Debian|Ubuntu)"),
    _form("-I --pillar", "pillar", "TARGET is a pillar key and a glob: role:filer"),
    _form("-J --pillar-pcre", "pillar_pcre", "TARGET is a pillar key and a regular expression"),
    _form("-S --ipcidr", "ipcidr", "TARGET is an address or a subnet: 192.168.43.0/24"),
    _form("-N --nodegroup", "nodegroup", "TARGET is a node group of the master's configuration"),
    _form("-C --compound", "compound", "TARGET combines them: 'on-node* or G@role:filer'"),
    Option("--delimiter", "what separates keys and value in grain and pillar targets (default: a colon)", metavar="C"),
)
RUNNING = (
    Option("-t --timeout", "wait this long at most; the job goes on (default: 0, for ever)", metavar="S", late=True),
    Option("-b --batch", "at most N minions at a time, or P% of them", metavar="N|P%", late=True),
    Option("--batch-wait", "wait S seconds after each return before the next minion's turn", metavar="S", late=True),
    Option("--failhard", "in batches: stop at the first minion that fails", late=True),
    Option("--stop-at", "in batches: stop when more than P% of the minions have failed", metavar="P%", late=True),
    Option("--subset", "only N of the minions, chosen at random", metavar="N", late=True),
    Option("--queue", "keep the job for minions that are away: 90s, 30m, 12h, 7d", metavar="DURATION", late=True),
    Option("--deadline", "end the job on a minion where it runs longer: 90s, 15m, 1h", metavar="DURATION", late=True),
    Option("--async", "print the job's id and do not wait", late=True),
    Option("-v --verbose", "print the job's id first", late=True),
    Option("--progress", "show where the minions are, even where standard error is no terminal", late=True),
    Option("--no-progress", "do not show where the minions are", dest="progress", const=False, late=True),
    LOG_LEVEL,
    ROOT,
)
SHOWING = (
    Option("--output --out", "the layout", metavar="FORMAT", choices=FORMATS, late=True),
    Option("-s --static", "print all returns together when the last one is here", late=True),
    Option("--state_output --state-output", "how states are shown", metavar="MODE", choices=STATE_OUTPUTS, late=True),
    Option(
        "--state_verbose --state-verbose",
        "false leaves out states that are right and unchanged",
        metavar="BOOL",
        choices=("true", "false", "True", "False"),
        late=True,
    ),
    *COLOUR,
)
ABOUT = (HELP, VERSION, COMPLETION)
OPTIONS = (*TARGETS, *RUNNING, *SHOWING, *ABOUT)
SECTIONS = (("what TARGET is", TARGETS), ("the job", RUNNING), ("the output", SHOWING), ("about", ABOUT))
USAGE = "saltern [options] TARGET FUNCTION [argument ...] [name=argument ...]"
PURPOSE = """\
Calls FUNCTION on the minions that TARGET matches: a glob on the minion's id unless an option says otherwise. Arguments
are YAML. What follows FUNCTION belongs to the function, but for the long forms of the options about the job and the
output; `--` ends the options."""
TAIL = """\
examples:
  saltern '*' test.ping
  saltern 'on-node*' state.apply test=True
  saltern -G os:Debian grains.item os osrelease
  saltern -C 'on-node* or G@role:filer' cmd.run 'ip -br link'
  saltern '*' state.apply network --state-output changes
  saltern '*' grains.items --out json
  saltern 'on-node*' -b 25% --failhard state.apply
  saltern '*' --queue 12h state.apply

exit codes:
  0  every minion returned and all went well
  1  something failed or did not return
  2  the command line is wrong, or no minion matched
  130  interrupted; the job goes on
"""


def main(argv: list[str] | None = None) -> int:
    """The exit codes are those of `TAIL`."""
    return guarded("saltern", lambda: run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Do what ARGV asks. SalternError for all that can go wrong before a job runs."""
    given = parse(OPTIONS, argv, words=2)
    if given.flag("help") and len(given.words) == 2:
        from saltern.cli import call

        return call.main(["--local", "sys.doc", given.words[1]])
    if given.flag("help"):
        sys.stdout.write(help_text(USAGE, PURPOSE, SECTIONS, TAIL))
        return 0
    if given.flag("version"):
        from saltern import __version__

        sys.stdout.write(f"saltern {__version__}\n")
        return 0
    if given.text("completion"):
        from saltern.cli.completion import script

        sys.stdout.write(script(given.text("completion"), OPTIONS))
        return 0
    return Job(given).run()


def request(given: Parsed) -> dict[str, Any]:
    """What to ask the master for. UsageError where TARGET or FUNCTION is missing or wrong."""
    from saltern.cli import arguments

    if len(given.words) < 2:
        missing = "TARGET and FUNCTION are" if not given.words else "FUNCTION is"
        raise UsageError(f"{missing} missing: {USAGE}")
    target, function = given.words
    if "," in function:
        raise UsageError(f"one function at a time, not {function!r}: call each by a command of its own")
    args, kwargs = arguments.parse(given.rest)
    if limit := given.text("deadline"):
        from saltern.cli.duration import seconds

        kwargs["deadline"] = seconds(limit, "--deadline")
    return {
        "op": "publish",
        "target": target,
        "form": given.text("form", "glob"),
        "delimiter": given.text("delimiter", ":"),
        "function": function,
        "args": args,
        "kwargs": kwargs,
        "timeout": _seconds(given.text("timeout", "0")),
        "async": given.flag("async"),
        **_pace(given),
    }


def _pace(given: Parsed) -> dict[str, Any]:
    """What is asked of how the job goes to its minions, and of those that are away."""
    found: dict[str, Any] = {}
    if batch := given.text("batch"):
        found["batch"] = batch
    if wait := given.text("batch_wait"):
        found["batch_wait"] = _seconds(wait, "--batch-wait")
    if given.flag("failhard") or given.text("stop_at"):
        found["stop_at"] = given.text("stop_at") or "0"
        found.setdefault("batch", "100%")
    if subset := given.text("subset"):
        if not subset.isdigit() or not int(subset):
            raise UsageError(f"--subset takes a number of minions, not {subset!r}")
        found["subset"] = int(subset)
    if queue := given.text("queue"):
        from saltern.cli.duration import seconds

        found["queue"] = seconds(queue, "--queue")
    return found


def _seconds(text: str, option: str = "--timeout") -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UsageError(f"{option} takes a number of seconds, not {text!r}")
    return seconds


class Job:
    """One job from the request to the exit code."""

    def __init__(self, given: Parsed) -> None:
        self._request = request(given)
        self._root, self._debug = given.text("root", "/"), given.text("log_level") in ("debug", "trace", "all")
        self._out = given.values.get("out")
        self._static = given.flag("static") or self._out in ("json", "yaml", "table", "pprint")
        self._verbose = given.flag("verbose")
        self._progress_chosen = given.values.get("progress")
        self._progress: Any = None
        self._shape: dict[str, Any] = {
            "function": str(self._request["function"]),
            "out": self._out,
            "colour": wants_colour(given.values.get("colour"), sys.stdout, os.environ),
            "state_output": given.text("state_output", "full"),
            "state_verbose": BOOLEANS[given.text("state_verbose", "true").lower()],
        }
        self._jid = ""
        self._targets: dict[str, str] = {}
        self._returns: dict[str, Any] = {}
        self._outcomes: dict[str, str] = {}
        self._is_well = True
        self._unwell: list[str] = []  # minions with what became of them, where it is not good

    def run(self) -> int:
        """Follow the job to its end and return the exit code."""
        from saltern.cli import client

        try:
            for event in client.events(self._root, self._request):
                if self._debug:
                    _tell(ascii(event))
                self._take(event)
                if self._request["async"] and self._jid:
                    return 0
        except KeyboardInterrupt:
            self._stop()
            _tell(self._goes_on("Interrupted."))
            return INTERRUPTED
        except client.MasterLost as error:
            self._stop()
            raise SalternError(f"{error}\n{self._goes_on('')}".rstrip()) from None
        except BaseException:
            self._stop()
            raise
        return self._end()

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "job":
            self._started(event)
        elif kind == "progress":
            self._step(event)
        elif kind == "return":
            self._returned(str(event["minion"]), event)

    def _started(self, event: dict[str, Any]) -> None:
        self._jid, self._targets = str(event["jid"]), dict(event["targets"])
        if self._request["async"]:
            sys.stdout.write(f"Executed command with job ID: {self._jid}\n")
            away = [minion for minion, state in self._targets.items() if state not in ("sent", "held")]
            if away:
                _tell(f"offline, so not yet sent: {', '.join(away)}")
        elif self._verbose and not self._static:
            sys.stdout.write(f"Executing job with jid {self._jid}\n{'-' * 43}\n\n")

    def _step(self, event: dict[str, Any]) -> None:
        if self._progress is None:
            live = sys.stderr.isatty()
            if self._progress_chosen is False or not (live or self._progress_chosen):
                return
            from saltern.cli.progress import Progress

            self._progress = Progress(sys.stderr, live=live)
        self._progress.update(str(event["minion"]), event["step"], event["total"], str(event["id"]))

    def _returned(self, minion: str, event: dict[str, Any]) -> None:
        outcome = str(event["outcome"])
        self._returns[minion], self._outcomes[minion] = event.get("return"), outcome
        if outcome != "done" or not event.get("success", True) or event.get("retcode", 0):
            self._is_well = False
            code = event.get("retcode", 0)
            self._unwell.append(
                f"{minion} {outcome}" + (f" ({code})" if outcome in ("done", "failed") and code else "")
            )
        if self._progress:
            self._progress.done(minion)
        if not self._static:
            self._print([minion])
        if self._progress:
            self._progress.draw()

    def _end(self) -> int:
        """Say what is still to be said when the job has ended."""
        self._stop()
        for minion, state in self._targets.items():
            if state == "queued":
                continue
            if minion not in self._returns:  # the master told of no return: never take silence for success
                outcome = state if state in ("offline", "refused") else "lost contact"
                self._returned(minion, {"outcome": outcome})
        queued = sorted(minion for minion, state in self._targets.items() if state == "queued")
        if queued:
            _tell(f"not connected, so the job waits for: {_some(queued)}")
            _tell(self._goes_on(""))
        if not self._returns and not queued:
            raise UsageError("no minion matched")
        if self._static:
            self._print(sorted(self._returns))
        if self._out in (None, "highstate"):
            self._print_fleet()
            if not self._is_well:
                _tell(f"ERROR: Minions returned with non-zero exit code: {_some(sorted(self._unwell))}")
        return 0 if self._is_well else 1

    def _print(self, minions: list[str]) -> None:
        from saltern.cli.output import render

        returns = {minion: self._returns[minion] for minion in minions}
        sys.stdout.write(render(returns, outcomes=self._outcomes, **self._shape))
        sys.stdout.flush()

    def _print_fleet(self) -> None:
        if len(self._returns) < 2 or not any(isinstance(value, dict) for value in self._returns.values()):
            return
        from saltern.cli.output import render_fleet

        text = render_fleet(
            self._returns, self._outcomes, function=self._shape["function"], colour=self._shape["colour"]
        )
        sys.stdout.write(f"\n{text}" if text else "")

    def _stop(self) -> None:
        if self._progress:
            self._progress.clear()

    def _goes_on(self, text: str) -> str:
        if not self._jid:
            return text
        root = "" if self._root == "/" else f" --root {self._root}"
        return f"{text} Job {self._jid} goes on; its returns: saltern-run{root} jobs.lookup_jid {self._jid}".strip()


def _some(words: list[str]) -> str:
    """The first few of WORDS and how many more there are."""
    more = len(words) - SOME
    return ", ".join(words[:SOME]) + (f" and {more} more" if more > 0 else "")


def _tell(text: str) -> None:
    """One message on standard error, behind what is printed already."""
    from saltern.cli.output.safe import neutral

    sys.stdout.flush()
    sys.stderr.write(f"{neutral(text)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
