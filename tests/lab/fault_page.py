"""The matrix of faults as Markdown, and the page that keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.lab.fault_host import AWAY_S, LIMIT_S, NEW, OLD
from tests.lab.faults import FAULTS, MOMENTS, Case, Result

_PAGE = """\
# Faults in the network transaction

What [Changes of the network](network-safety.md) promises, tried out: `make chaos` lets a host of the lab move to
another address, VLAN and gateway, and does each of these things to it at each step of the transaction. Each time the
process at work is stopped at that step, the fault is done, and the process goes on where it still lives.

A cell says at which address the host answered then, {old} (old) or {new} (new), and after how many seconds from the
fault the master had its report, which said the same. Links, addresses, routes and files were then compared with those
before and after an undisturbed move, and were wholly the one or the other. The deadline (`network_confirm_s`) was
{limit:g} s; packets and master were away for {away:g} s; the disk stayed full, and the clock wrong, until the end of
the case. {right} of {all} cases were right, on a busy machine of two processors, in {minutes:.0f} minutes.

{table}
*refused*: nothing was begun, and the job says why.

| fault | |
|---|---|
| worker killed | SIGKILL of the process that runs the job |
| agent killed | SIGKILL of the minion's main process, which systemd starts again |
| guard killed | SIGKILL of the network guard, if it runs at that moment |
| all three killed | at once |
| power cut | the host is switched off and on; what was not on its disk is lost |
| packets dropped | its cable is pulled at the switch |
| master away | SIGSTOP of the master, later SIGCONT |
| disk full | no byte is left on the disk of `/var` and `/etc` |
| clock | set with date(1) |
| second apply | the same is applied once more, meanwhile |
| wrong VLAN, trunk missing | the switch does not carry the new VLAN |
| wrong gateway | an address at which nobody is |
| duplicate address | the new address is the gateway's own |

The reports gave these reasons:

{reasons}
"""
_LONGEST = 140


def table(results: Sequence[Result]) -> str:
    """The matrix, and the bad changes."""
    cells = {result.case: result.words for result in results}
    lines = ["| | " + " | ".join(FAULTS) + " |", "|---" * (len(FAULTS) + 1) + "|"]
    for moment in MOMENTS:
        row = [cells.get(Case(fault, moment), "") for fault in FAULTS]
        if any(row):
            lines.append(f"| {moment.name} | " + " | ".join(row) + " |")
    lines += ["", "| bad change | | the report says |", "|---|---|---|"]
    lines += [f"| {r.case.fault} | {r.words} | {r.why} |" for r in results if r.case.moment is None]
    return "\n".join(lines) + "\n"


def page(results: Sequence[Result], minutes: float) -> str:
    """The page about RESULTS, which took MINUTES."""
    reasons = {result.why for result in results if "\n" not in result.why and 0 < len(result.why) < _LONGEST}
    return _PAGE.format(
        old=OLD,
        new=NEW,
        limit=LIMIT_S,
        away=AWAY_S,
        right=sum(not result.wrong for result in results),
        all=len(results),
        minutes=minutes,
        table=table(results),
        reasons="\n".join(f"- {reason}" for reason in sorted(reasons)),
    )
