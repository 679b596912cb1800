"""`saltern-master`: runs the master in the foreground, as systemd wants it."""

from __future__ import annotations

import importlib
import sys

from saltern.cli import daemon

EXAMPLES = """\
  saltern-master                       run the master of this machine
  saltern-master --root /tmp/m         run one of its own, with all its files below /tmp/m
  saltern-master -l info               say who comes and goes

The configuration is ROOT/etc/saltern/master, the trees are ROOT/srv/saltern/states and ROOT/srv/saltern/pillar.
"""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 after SIGTERM, 1 where it can't run, 2 for a wrong command line."""
    options = daemon.parser("saltern-master", "The master: commands minions and keeps what they return.", EXAMPLES)
    chosen = options.parse_args(argv)
    run = importlib.import_module("master.daemon").run  # late: this package may not import the daemons
    return daemon.guarded(
        "saltern-master", lambda: run(chosen.root, chosen.log_level), debug=chosen.log_level == "debug"
    )


if __name__ == "__main__":
    sys.exit(main())
