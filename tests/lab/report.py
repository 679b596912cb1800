"""What the demo shows of state runs and of hosts: plain data in, lines of text out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A state run on one minion, counted."""

    minion: str
    states: int
    changed: int  # or, in test mode, would change
    failed: int
    duration_s: float


def runs(returns: Mapping[str, Any]) -> list[Run]:
    """The state runs in RETURNS (minion → tag → Salt's result dictionary), one for each minion.

    A minion that returned something else, such as a list of errors, counts as one failed state.
    """
    return [_run(minion, value) for minion, value in sorted(returns.items())]


def _run(minion: str, value: Any) -> Run:
    if not isinstance(value, dict) or not value:
        return Run(minion=minion, states=0, changed=0, failed=1, duration_s=0.0)
    results = list(value.values())
    return Run(
        minion=minion,
        states=len(results),
        changed=sum(bool(result["changes"]) or result["result"] is None for result in results),
        failed=sum(result["result"] is False for result in results),
        duration_s=sum(float(result["duration"]) for result in results) / 1000,
    )


def changed(returns: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """What changed or would change: (minion, function, name of the thing)."""
    found = set()
    for minion, value in returns.items():
        for tag, result in value.items() if isinstance(value, dict) else ():
            if result["changes"] or result["result"] is None:
                kind, _, _, verb = tag.split("_|-")
                found.add((minion, f"{kind}.{verb}", str(result["name"])))
    return found


def unknown(returns: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """Of what `changed` has, what test mode can't know until earlier states have run."""
    return {
        (minion, "{0}.{3}".format(*tag.split("_|-")), str(result["name"]))
        for minion, value in returns.items()
        for tag, result in (value.items() if isinstance(value, dict) else ())
        if str(result["comment"]).startswith("Unknown until earlier states have run")
    }


def steps(returns: Mapping[str, Any]) -> dict[str, list[str]]:
    """The steps that were done, or in test mode would be done, in their order: minion → sentences."""
    found: dict[str, list[str]] = {}
    for minion, value in sorted(returns.items()):
        results = value.values() if isinstance(value, dict) else ()
        ordered = sorted(results, key=lambda result: int(result["__run_num__"]))
        found[minion] = [
            line.removeprefix("- ")
            for result in ordered
            for line in str(result["comment"]).splitlines()
            if line.startswith("- ")
        ]
    return found


def paragraph(head: str, sentences: Sequence[str], *, indent: int, width: int) -> list[str]:
    """HEAD, and beside it SENTENCES one after the other, on lines of WIDTH columns that part between sentences."""
    lines = [f"{head:<{indent}}"]
    for sentence in (*(f"{sentence};" for sentence in sentences[:-1]), *sentences[-1:]):
        if len(lines[-1]) > indent and len(lines[-1]) + len(sentence) > width:
            lines.append(" " * indent)
        lines[-1] += f"{sentence} "
    return [line.rstrip() for line in lines]


def failures(returns: Mapping[str, Any]) -> list[str]:
    """What failed, as lines to read."""
    lines = []
    for minion, value in sorted(returns.items()):
        if not isinstance(value, dict):
            lines.append(f"{minion}: {value}")
            continue
        for result in value.values():
            if result["result"] is False:
                lines.append(f"{minion}: {result['name']}: {result['comment']}")
    return lines


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """ROWS (the first one is the head) as aligned columns; numbers to the right."""
    texts = [[f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(rows[0]))]
    right = [isinstance(cell, (int, float)) for cell in rows[-1]]
    return [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    ]


def summary(found: Iterable[Run], *, test: bool = False) -> list[str]:
    """The runs as a table. TEST: they only showed what they would change."""
    rows = [(run.minion, run.states, run.changed, run.failed, f"{run.duration_s:.2f} s") for run in found]
    return table([("host", "states", "would change" if test else "changed", "failed", "time"), *rows])


def links(addresses: str, kinds: Sequence[str] = ("bridge", "vlan")) -> list[tuple[str, str, str]]:
    """(name, what it is made of, its IPv4 addresses) for each VLAN interface and bridge.

    ADDRESSES is the output of `ip -json -details address`.
    """
    read = json.loads(addresses)
    found = []
    for link in read:
        kind = link.get("linkinfo", {}).get("info_kind")
        if kind not in kinds:
            continue
        if kind == "bridge":
            ports = sorted(_port(other) for other in read if other.get("master") == link["ifname"])
            made = f"bridge of {', '.join(ports) or 'nothing'}"
        else:
            made = f"VLAN {link['linkinfo']['info_data']['id']} of {link['link']}"
        own = [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet"]
        found.append((link["ifname"], made, ", ".join(own) or "-"))
    return sorted(found)


def _port(link: Mapping[str, Any]) -> str:
    """The name of a port; a guest's end has one that changes with each start."""
    return "a guest" if link.get("linkinfo", {}).get("info_kind") in ("tun", "veth") else str(link["ifname"])


def mounts(mountinfo: str) -> list[tuple[str, str, str]]:
    """(mount point, source, NFS version) of each NFS mount. MOUNTINFO is /proc/self/mountinfo, see proc(5)."""
    found = []
    for line in mountinfo.splitlines():
        first, _, second = line.partition(" - ")
        kind, source, options = second.split(" ", 2)
        if kind == "nfs4":
            version = next((word[5:] for word in options.split(",") if word.startswith("vers=")), "?")
            found.append((first.split(" ")[4], source, f"NFS {version}"))
    return sorted(found)


def exports(etab: str) -> list[tuple[str, str, str]]:
    """(directory, 'exported to' a client, its options of interest). ETAB is the output of `exportfs -s`."""
    found = []
    for line in etab.splitlines():
        path, _, client = line.partition(" ")
        name, _, options = client.strip().partition("(")
        shown = [word for word in options.rstrip(")").split(",") if word in ("rw", "ro", "sync", "async", "fsid=0")]
        found.append((path, f"exported to {name}", ",".join(shown)))
    return sorted(found)
