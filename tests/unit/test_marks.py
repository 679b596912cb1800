"""Acting functions run only where acting is permitted."""

from __future__ import annotations

import contextvars
import threading

import pytest

from saltern.marks import ActedWhilePlanning, acting, kind_of, permit_acting, reading

DONE: list[str] = []


@acting
def write(text: str, *, twice: bool = False) -> int:
    """Say it."""
    DONE.extend([text] * (1 + twice))
    return len(text)


@reading
def look() -> str:
    return "seen"


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


def test_an_acting_function_refuses_to_run_without_a_permit() -> None:
    with pytest.raises(ActedWhilePlanning, match=r"test_marks\.write acts"):
        write("a")
    assert DONE == []


def test_a_permit_lets_it_run_with_its_arguments_and_ends() -> None:
    with permit_acting():
        assert write("ab", twice=True) == 2
        with permit_acting():
            write("c")
        write("d")
    assert DONE == ["ab", "ab", "c", "d"]
    with pytest.raises(ActedWhilePlanning):
        write("e")


def test_a_permit_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), permit_acting():
        raise KeyError
    with pytest.raises(ActedWhilePlanning):
        write("a")


def test_a_permit_does_not_reach_other_threads() -> None:
    caught: list[type[BaseException]] = []

    def elsewhere() -> None:
        try:
            write("a")
        except ActedWhilePlanning as error:
            caught.append(type(error))

    with permit_acting():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert caught == [ActedWhilePlanning]
    assert DONE == []


def test_a_permit_stays_in_its_context() -> None:
    context = contextvars.copy_context()
    with permit_acting(), pytest.raises(ActedWhilePlanning):
        context.run(write, "a")


def test_reading_functions_always_run() -> None:
    assert look() == "seen"


def test_the_kind_is_told_and_the_documentation_kept() -> None:
    assert (kind_of(write), kind_of(look), kind_of(len), kind_of(None)) == ("acting", "reading", None, None)
    assert (write.__name__, write.__doc__) == ("write", "Say it.")
