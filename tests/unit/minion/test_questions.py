"""Questions to the master: each gets one answer in bounded time, also over a connection that breaks."""

from __future__ import annotations

import asyncio

import pytest

from minion.pipe import AskMaster, MasterSays
from minion.questions import Questions
from saltern.wire import messages as m

QUESTION = AskMaster("vnet.leases", b"{}")


class Line:
    """A connection that may be down."""

    def __init__(self) -> None:
        self.up, self.sent = True, list[m.Ask]()

    def __call__(self, message: m.Ask) -> bool:
        if self.up:
            self.sent.append(message)
        return self.up


def test_an_answer_goes_to_who_asked_and_only_once() -> None:
    async def main() -> None:
        line, one, two = Line(), list[MasterSays](), list[MasterSays]()
        questions = Questions(line, 60)
        questions.put(QUESTION, one.append, "")
        questions.put(QUESTION, two.append, "")
        first, second = line.sent
        questions.answered(m.Answer(second.id, False, b"", "no"))
        for _ in range(2):
            questions.answered(m.Answer(first.id, True, b"1", ""))
        questions.answered(m.Answer(99, True, b"1", ""))
        assert one == [MasterSays(True, b"1")]
        assert two == [MasterSays(False, b"", "no")]

    asyncio.run(main())


def test_a_question_is_sent_again_over_a_new_connection() -> None:
    async def main() -> None:
        line, heard = Line(), list[MasterSays]()
        questions = Questions(line, 60)
        questions.put(QUESTION, heard.append, "")
        questions.send_again()
        first, again = line.sent
        assert first == again
        questions.answered(m.Answer(again.id, True, b"1", ""))
        questions.send_again()
        assert len(line.sent) == 2

    asyncio.run(main())


def test_a_question_just_after_a_break_waits_for_the_next_connection_but_not_for_long() -> None:
    async def main() -> None:
        line, heard, clock = Line(), asyncio.Queue[MasterSays](), asyncio.get_running_loop().time
        questions = Questions(line, 3600)
        questions.put(QUESTION, heard.put_nowait, "")
        questions.answered(m.Answer(1, True, b"1", ""))
        await heard.get()
        line.up = False
        questions.broken("it was cut")
        questions.put(QUESTION, heard.put_nowait, "refused")
        questions.put(QUESTION, heard.put_nowait, "refused")
        assert heard.empty()
        with pytest.MonkeyPatch.context() as later:
            later.setattr(asyncio.get_running_loop(), "time", lambda: clock() + 3601)
            for _ in range(2):
                assert (await heard.get()).error == "the master is not connected: refused"
            questions.put(QUESTION, heard.put_nowait, "refused")  # the pause was once
            assert heard.get_nowait().away

    asyncio.run(main())


def test_the_pause_begins_with_the_break_however_old_the_connection_was() -> None:
    async def main() -> None:
        line, heard, clock = Line(), list[MasterSays](), asyncio.get_running_loop().time
        questions = Questions(line, 60)
        questions.put(QUESTION, heard.append, "")
        questions.answered(m.Answer(1, True, b"1", ""))
        with pytest.MonkeyPatch.context() as later:
            later.setattr(asyncio.get_running_loop(), "time", lambda: clock() + 3600)
            line.up = False
            questions.broken("it was cut")
            questions.put(QUESTION, heard.append, "refused")
            line.up = True
            questions.send_again()
        questions.answered(m.Answer(line.sent[1].id, True, b"2", ""))
        assert heard == [MasterSays(True, b"1"), MasterSays(True, b"2")]

    asyncio.run(main())


def test_a_question_under_way_waits_after_a_break_as_long_as_a_new_one() -> None:
    async def main() -> None:
        line, heard = Line(), asyncio.Queue[MasterSays]()
        questions = Questions(line, 0.05, wait_s=0.01)
        questions.put(QUESTION, heard.put_nowait, "")
        line.up = False
        questions.broken("it was cut")
        assert await heard.get() == MasterSays(False, b"", "the master is not connected: it was cut", True)

    asyncio.run(main())


def test_a_question_that_waited_for_a_connection_is_sent_over_it() -> None:
    async def main() -> None:
        line, heard = Line(), list[MasterSays]()
        questions = Questions(line, 60)
        line.up = False
        questions.broken("it was cut")
        questions.put(QUESTION, heard.append, "refused")
        line.up = True
        questions.send_again()
        questions.answered(m.Answer(line.sent[0].id, True, b"1", ""))
        assert heard == [MasterSays(True, b"1")]

    asyncio.run(main())


def test_a_master_that_is_away_is_told_at_once_and_a_silent_one_in_time() -> None:
    async def main() -> None:
        line, heard = Line(), asyncio.Queue[MasterSays]()
        questions = Questions(line, 60, wait_s=0.01)
        line.up = False  # and never was
        questions.put(QUESTION, heard.put_nowait, "refused")
        assert heard.get_nowait() == MasterSays(False, b"", "the master is not connected: refused", True)
        line.up = True
        questions.put(QUESTION, heard.put_nowait, "")
        silent = await heard.get()
        assert (silent.away, silent.error) == (True, "the master did not answer within 0.01 s")
        questions.answered(m.Answer(line.sent[0].id, True, b"1", ""))
        assert heard.empty()

    asyncio.run(main())
