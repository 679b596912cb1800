"""The master's time on a node whose own clock is wrong, or is set meanwhile."""

from __future__ import annotations

from minion.master_clock import MasterClock, apart

DAY = 86400.0


class Node:
    """A node with a clock that can be set, and one that can't."""

    def __init__(self, wall: float, up: float) -> None:
        self.wall, self.up = wall, up
        self.clock = MasterClock(lambda: self.wall, lambda: self.up)


def test_until_the_master_tells_the_nodes_clock_holds() -> None:
    node = Node(1000.0, 5.0)
    assert (node.clock(), node.clock.ahead_s()) == (1000.0, 0.0)
    node.clock.says(0.0)
    assert node.clock() == 1000.0


def test_what_the_master_told_holds_wherever_the_nodes_clock_goes() -> None:
    node = Node(2 * DAY, 5.0)
    node.clock.says(DAY)
    assert (node.clock(), node.clock.ahead_s()) == (DAY, DAY)
    node.up, node.wall = 15.0, DAY + 10  # somebody set it right
    assert (node.clock(), node.clock.ahead_s()) == (DAY + 10, 0.0)


def test_a_little_is_nothing_to_speak_of() -> None:
    node = Node(1059.0, 0.0)
    node.clock.says(1000.0)
    assert node.clock.ahead_s() == 0.0
    node.wall = 940.0
    assert node.clock.ahead_s() == -60.0


def test_a_difference_in_words() -> None:
    assert apart(DAY) == "24.0 hours ahead of"
    assert apart(-90) == "1.5 minutes behind"
