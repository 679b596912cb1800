"""What no count of turns or characters sees ends by processor time and memory, with its line."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from saltern.errors import SourceError
from saltern.sls import fence
from saltern.sls.render import render_sls
from tests.unit.saltern.sls.files import context

LONG = {
    "macro": "\n{% macro f(n) %}{% if n < 60 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}",
    "match": "\n{% set x = ('a' * 60 ~ 'b') | regex_match('(a+)+$') %}",
    "test": "\n{% set x = ('a' * 60 ~ 'b') is match('(a+)+$') %}",
    "replace": "\n{% set x = ('a' * 60 ~ 'b') | regex_replace('(a+)+$', '') %}",
    "output": "\n{{ ('a' * 60 ~ 'b') | regex_search('(a+)+$') }}",
    "python": "#!py\ndef run():\n    while True:\n        pass\n",
}
LARGE = {
    "filter": "\n{% set x = 'x' | center(10 ** 12) %}",
    "method": "\n{% set x = 'x'.ljust(10 ** 12) %}",
    "replace": "\n{% set x = ('a' * 10 ** 6) | replace('a', 'b' * 10 ** 7) %}",
    "list": "\n{% set x = [1] * 10 ** 7 %}{% set y = x + x + x + x + x + x + x + x + x + x + x + x + x + x + x + x %}",
    "python": "#!py\ndef run(): return {'a': 'x' * 10 ** 12}\n",
}
FORMATS = ["{{ '%1000000000d' % 5 }}", "{{ '%.1000000000f' % 5 }}", "{% set x = '%(a)0999999d' % {'a': 1} %}"]


def refusal(folder: Path, text: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        render_sls(text, place="a.sls", ctx=context(folder, {}), saltenv="base", sls="a")
    return caught.value


@pytest.mark.parametrize("name", LONG)
def test_what_takes_for_ever_is_ended_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    render_sls("a: 1", place="a.sls", ctx=context(tmp_path, {}), saltenv="base", sls="a")  # loads what is not counted
    monkeypatch.setattr(fence, "CPU_S", 0.4)
    error = refusal(tmp_path, LONG[name])
    assert "takes more than 0.4 s of processor time: is there an end?" in error.message
    assert error.line == (2 if name != "python" else error.line)
    assert error.file == "a.sls"


@pytest.mark.parametrize("name", LARGE)
def test_what_fills_the_memory_is_ended_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(fence, "MEMORY_BYTES", 256 << 20)
    error = refusal(tmp_path, LARGE[name])
    assert "MiB of memory: is there an end?" in error.message
    assert error.line == 2


@pytest.mark.parametrize("text", FORMATS)
def test_a_format_of_a_million_columns_is_refused(tmp_path: Path, text: str) -> None:
    assert "more than 99999 characters" in refusal(tmp_path, text).message


def test_a_product_of_numbers_does_not_grow_without_an_end(tmp_path: Path) -> None:
    error = refusal(
        tmp_path, "{% set n = namespace(x=7) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}"
    )
    assert "this product would have more than" in error.message


def test_the_bounds_of_the_process_are_put_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGVTALRM)
    with fence.fence():
        inside = resource.getrlimit(resource.RLIMIT_DATA)
        with fence.fence():
            assert resource.getrlimit(resource.RLIMIT_DATA) == inside
        with fence.open_for_programs():
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] == before[0][1]
        assert resource.getrlimit(resource.RLIMIT_DATA) == inside
        assert inside != before[0]
    assert (resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGVTALRM)) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
