"""`saltern-minion`: runs the agent in the foreground, or joins it to a master."""

from __future__ import annotations

import importlib
import sys

from saltern.cli import daemon

EXAMPLES = """\
  saltern-minion join saltern1.kqtU…   join the master that made this token, verified by the token
  saltern-minion                       run the agent of this machine
  saltern-minion fingerprint           show the key, as `saltern-key finger` on the master shows it
  saltern-minion --root /tmp/n1 --id n1 join TOKEN
"""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 after SIGTERM or a successful join, 1 where it can't run or was refused, 2 for a wrong command."""
    options = daemon.parser("saltern-minion", "The agent on a node: runs what its master asks for.", EXAMPLES)
    options.add_argument(
        "--id", default="", help="the minion's id (default: from the configuration, else the host's name)"
    )
    actions = options.add_subparsers(dest="action", metavar="ACTION")
    join = actions.add_parser("join", help="verify the master with a token, and be accepted by it")
    join.add_argument("token", help="the string that `saltern-key token` printed on the master")
    actions.add_parser("fingerprint", help="show this minion's key")
    actions.add_parser("network", help="bring up the network that was kept for the boot (persist: saltern), and end")
    chosen = options.parse_args(argv)

    def work() -> int:
        if chosen.action == "network":
            return int(importlib.import_module("minion.network").run(chosen.root))
        entry = importlib.import_module("minion.main")  # late: this package may not import the daemons
        if chosen.action == "join":
            return int(entry.join(chosen.root, chosen.id, chosen.token, chosen.log_level))
        if chosen.action == "fingerprint":
            return int(entry.show_fingerprint(chosen.root, chosen.id))
        return int(entry.run(chosen.root, chosen.id, chosen.log_level))

    return daemon.guarded("saltern-minion", work, debug=chosen.log_level == "debug")


if __name__ == "__main__":
    sys.exit(main())
