"""The lines that show where minions are while they run."""

from __future__ import annotations

import io

from saltern.cli.progress import MOST_LINES, Progress, lines


def test_each_minion_that_runs_has_a_line() -> None:
    steps = {"on-node1": (3, 12, "br43"), "on-filer10": (1, 4, "exports")}
    assert lines(steps, 80) == ["on-node1    [3/12] br43", "on-filer10  [1/4] exports"]


def test_many_minions_have_few_lines_and_the_rest_is_counted() -> None:
    shown = lines({f"m{n:02}": (1, 2, "x") for n in range(MOST_LINES + 5)}, 80)
    assert len(shown) == MOST_LINES
    assert shown[-1] == "and 6 more minions"
    assert len(lines({f"m{n:02}": (1, 2, "x") for n in range(MOST_LINES)}, 80)) == MOST_LINES


def test_a_line_never_wraps() -> None:
    assert all(len(line) < 20 for line in lines({"m": (1, 2, "x" * 100)}, 20))


def test_what_was_drawn_is_cleared_before_a_return_is_printed() -> None:
    stream = io.StringIO()
    shown = Progress(stream, live=True)
    shown.update("a", 1, 2, "x")
    assert stream.getvalue() == "a  [1/2] x\n"
    shown.done("a")
    assert stream.getvalue() == "a  [1/2] x\n\x1b[1A\x1b[J"
    shown.clear()
    assert stream.getvalue().count("\x1b[J") == 1


def test_redrawing_replaces_the_lines_before() -> None:
    stream = io.StringIO()
    shown = Progress(stream, live=True)
    shown.update("a", 1, 2, "x")
    shown.update("b", 1, 2, "y")  # within the same moment: not drawn yet
    assert "b" not in stream.getvalue()
    shown.draw()
    assert stream.getvalue() == "a  [1/2] x\n\x1b[1A\x1b[Ja  [1/2] x\nb  [1/2] y\n"


def test_a_stream_that_is_no_terminal_gets_one_plain_line_a_step() -> None:
    stream = io.StringIO()
    shown = Progress(stream, live=False)
    shown.update("a", 1, 2, "x")
    shown.update("a", 2, 2, "y")
    shown.done("a")
    shown.draw()
    assert stream.getvalue() == "a  [1/2] x\na  [2/2] y\n"
