"""Whatever goes wrong in the middle of a network change: the host is reached, at its old or its new address, and says
which. Some of the cases of `tests.lab.faults`; `make chaos` runs all."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.lab.channel import LabError
from tests.lab.fault_page import page, table
from tests.lab.faults import BAD_CHANGES, FAULTS, MOMENTS, Case, Result, chosen_cases, every_case, run_all

pytestmark = pytest.mark.timeout(1500)  # the first test waits for all cases, on three hosts side by side
CASES = chosen_cases()


@pytest.fixture(scope="module")
def results() -> Mapping[Case, Result]:
    """All of CASES, run and judged."""
    try:
        return {result.case: result for result in run_all(CASES, 3)}
    except LabError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_host_answers_and_is_wholly_as_its_report_says(results: Mapping[Case, Result], case: Case) -> None:
    result = results[case]
    assert result.wrong == [], result


def test_each_fault_each_step_and_each_bad_change_is_among_them() -> None:
    assert {case.fault for case in CASES} == {*FAULTS, *BAD_CHANGES}
    assert {case.moment for case in CASES} == {None, *MOMENTS}
    assert set(CASES) <= set(every_case())


def test_the_page_has_a_cell_for_each_case_and_names_what_is_wrong() -> None:
    made = [Result(case, "old", 3.2, "the reason", []) for case in every_case()]
    wrong = made[-1]._replace(wrong=["half"])
    text = page([*made[:-1], wrong], 7)
    assert text.count("old 3 s") == len(made) - 1
    assert text.count("WRONG (old)") == 1
    assert f"{len(made) - 1} of {len(made)} cases were right" in text
    assert table(made).count("\n| ") == len(MOMENTS) + len(BAD_CHANGES) + 1
