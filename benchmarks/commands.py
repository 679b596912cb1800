"""Whole commands beside `python -c pass`: a ping to 10 real minions, a local ping, 1,000 states of two kinds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.place import Place, master
from benchmarks.report import command_ms, python_pass_ms, report
from saltern.wire.keys import KeyPair
from saltern.wire.private import write_file

BIN = Path(sys.executable).parent
STATES = 1000


@contextmanager
def real_minions(place: Place) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A `saltern-minion` process for each accepted key of PLACE."""
    processes = []
    try:
        for name, (wire, seal) in place.minions.items():
            root = place.root / "minions" / name
            _prepare(root, name, wire, seal, place)
            processes.append(subprocess.Popen([str(BIN / "saltern-minion"), "--root", str(root)]))
        place.wait_up(len(processes))
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(15)


def _prepare(root: Path, name: str, wire: KeyPair, seal: KeyPair, place: Place) -> None:
    (root / "etc/saltern").mkdir(parents=True)
    (root / "etc/saltern/minion").write_text(
        f"id: {name}\nmaster: 127.0.0.1:{place.control_port}\nmaster_key: '{place.master.public.hex()}'\n"
        "worker_idle_s: 2\n"
    )
    keys = root / "var/lib/saltern/minion/keys"
    keys.mkdir(parents=True, mode=0o700)
    for file, pair in (("wire.key", wire), ("seal.key", seal)):
        write_file(keys / file, f"{pair.public.hex()}\n{pair.secret.reveal()}\n".encode())


def tree(folder: Path, kind: str) -> list[str]:
    """A tree with 1,000 states of KIND, and the command that applies it."""
    states = folder / kind
    files = folder / "files"
    for place in (states, files):
        place.mkdir(exist_ok=True)
    lines = []
    for number in range(STATES):
        if kind == "nop":
            lines.append(f"n{number}:\n  test.nop: []\n")
        else:
            lines.append(
                f"{files}/{number}:\n  file.managed:\n    - contents: text of file {number}\n    - mode: '0644'\n"
            )
    (states / "many.sls").write_text("".join(lines))
    local = [str(BIN / "saltern-call"), "--local", "--root", str(folder / "root"), "--file-root", str(states)]
    return [*local, "--out", "json", "state.apply", "many"]


def main() -> None:
    """All whole commands."""
    base = python_pass_ms()
    with master(10) as place, real_minions(place):
        ping = command_ms([str(BIN / "saltern"), "--root", str(place.root), "*", "test.ping"])
    report("saltern '*' test.ping, 10 minions", measured=ping, base=base, unit="ms", limit=6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        call = [str(BIN / "saltern-call"), "--local", "--root", str(folder / "root"), "test.ping"]
        report("saltern-call --local test.ping", measured=command_ms(call), base=base, unit="ms", limit=6)
        for kind, limit in (("nop", 15), ("managed", 30)):
            took = command_ms(tree(folder, kind), 5)
            what = {"nop": "test.nop", "managed": "unchanged file.managed"}[kind]
            report(f"{STATES} {what}", measured=took, base=base, unit="ms", limit=limit)


if __name__ == "__main__":
    main()
