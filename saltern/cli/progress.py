"""Where the minions are while they run, on the last lines of a terminal: one line for each, cleared when all is said.

`lines` decides what is shown, `Progress` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from saltern.cli.output.safe import neutral_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

MOST_LINES = 10  # more than these would push away what was printed
REDRAW_S = 0.05  # more often would only flicker

Steps = Mapping[str, tuple[int, int, str]]  # minion: (step, of how many, state id)


def lines(running: Steps, width: int, most: int = MOST_LINES) -> list[str]:
    """One line for each minion that runs, MOST lines at the most, the last one counting those that have no line."""
    shown = list(running.items())
    rest = 0
    if len(shown) > most:
        rest = len(shown) - (most - 1)
        shown = shown[: most - 1]
    longest = max((len(minion) for minion, _ in shown), default=0)
    text = [
        f"{neutral_line(minion):<{longest}}  [{step}/{total}] {neutral_line(id)}" for minion, (step, total, id) in shown
    ]
    if rest:
        text.append(f"and {rest} more minions")
    return [line if len(line) < width else line[: max(width - 2, 0)] + "…" for line in text]


class Progress:
    """The lines below what is printed. LIVE: STREAM is a terminal and lines may be redrawn; else one line a step."""

    __slots__ = ("_clock", "_drawn", "_drawn_at", "_live", "_running", "_stream")

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        import time

        self._stream, self._live, self._clock = stream, live, time.monotonic
        self._running: dict[str, tuple[int, int, str]] = {}
        self._drawn, self._drawn_at = 0, float("-inf")

    def update(self, minion: str, step: int, total: int, state_id: str) -> None:
        """MINION is at STEP of TOTAL, the state STATE_ID."""
        self._running[minion] = (step, total, state_id)
        if not self._live:
            self._stream.write(lines({minion: (step, total, state_id)}, 10_000)[0] + "\n")
            self._stream.flush()
        elif self._clock() - self._drawn_at >= REDRAW_S:
            self.draw()

    def done(self, minion: str) -> None:
        """MINION has returned; the lines are cleared so that its return can be printed. `draw` brings the rest back."""
        self._running.pop(minion, None)
        self.clear()

    def draw(self) -> None:
        """Write the lines in the place of those before."""
        if not self._live:
            return
        text = lines(self._running, _width(self._stream))
        self._stream.write(self._erase() + "".join(f"{line}\n" for line in text))
        self._stream.flush()
        self._drawn, self._drawn_at = len(text), self._clock()

    def clear(self) -> None:
        """Take the lines away."""
        if self._drawn:
            self._stream.write(self._erase())
            self._stream.flush()
            self._drawn = 0

    def _erase(self) -> str:
        return f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""


def _width(stream: TextIO) -> int:
    import os

    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
