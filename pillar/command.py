"""`ext_pillar: cmd_yaml` and `cmd_json`: what a program on the master prints for a minion.

    - cmd_json: [/usr/local/bin/inventory, --host, '%s']
    - cmd_yaml: {command: [/usr/local/bin/inventory, '%s'], timeout: 5, cache: 60, key: inventory}

`%s` is the minion's id. There is no shell.
"""

from __future__ import annotations

import logging

from modules import _run
from pillar.external import Checked, ExternalError, PerMinion
from saltern.errors import ConfigError

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0  # by default


class Command(PerMinion):
    """One program."""

    def __init__(self, options: Checked, form: str) -> None:
        super().__init__(options, form)
        self._argv = options.texts("command")
        self._timeout_s = options.number("timeout", TIMEOUT_S, 0.1)
        options.done()
        if not self._argv[0].startswith("/"):
            raise ConfigError(f"{self.place}: the program is named by its full path, not {self._argv[0]!r}")

    def asked(self, minion_id: str) -> str:
        """What the program prints for MINION_ID."""
        argv = [word.replace("%s", minion_id) for word in self._argv]
        try:
            ran = _run.run(argv, timeout_s=self._timeout_s, env={"LC_ALL": "C"})
        except _run.CommandError as error:
            raise ExternalError(f"{self.place}: {error}") from None
        if ran.timed_out:
            raise ExternalError(f"{self.place}: {argv[0]} did not end within {self._timeout_s:g} s")
        if ran.code != 0:
            logger.error("%s: %s said: %s", self.place, argv[0], ran.err.strip()[-2000:])
            raise ExternalError(f"{self.place}: {argv[0]} ended with {ran.code}; what it said is in the master's log")
        return ran.out
