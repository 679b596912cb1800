"""What `file.accumulated` gathers reaches the file that it names, whole, in order, and in a preview too."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.errors import SourceError
from saltern.secret import Secret
from tests.unit.states.sls_run import apply

HOSTS = """\
last:
  file.accumulated:
    - name: clients
    - filename: @/exports
    - text: c
    - order: 3
    - require_in: [{file: exports}]
first:
  file.accumulated:
    - name: clients
    - filename: @/exports
    - text: [a, b, a]
    - order: 1
    - watch_in: [{file: exports}]
other:
  file.accumulated:
    - name: options
    - filename: @/./exports
    - text: {ro: True}
    - order: 2
    - require_in: [{file: first}]
exports:
  file.managed:
    - name: @/exports
    - template: jinja
    - contents: "{% raw %}{{ accumulator['clients'] | join(',') }} {{ accumulator.options }}{% endraw %}"
    - order: last
"""


def test_texts_reach_the_template_in_the_order_of_the_states(tmp_path: Path) -> None:
    preview = apply(tmp_path, HOSTS, test=True)
    assert preview["exports"].result is None
    assert not (tmp_path / "exports").exists()
    assert {id: one.result for id, one in apply(tmp_path, HOSTS).items()} == dict.fromkeys(preview, True)
    assert (tmp_path / "exports").read_text() == "a,b,c [{'ro': True}]\n"
    assert not apply(tmp_path, HOSTS)["exports"].changed
    assert not any(one.warnings for one in apply(tmp_path, HOSTS).values())
    preview = apply(tmp_path, HOSTS.replace("text: c", "text: d"), test=True)
    assert "+a,b,d" in preview["exports"].changes["diff"]


def text(id: str, filename: str, *more: str) -> str:
    lines = [f"- filename: {filename}", f"- text: {id}", *more]
    return "\n    ".join([f"{id}:\n  file.accumulated:", *lines]) + "\n"


TAKER = "taker:\n  file.managed:\n    - name: @/f\n    - template: jinja\n    - contents: x\n"
PLAIN = TAKER.replace("    - template: jinja\n", "")
IN = "- require_in: [{file: taker}]"


@pytest.mark.parametrize(
    ("sls", "message"),
    [
        (TAKER + text("a", "@/ff", IN), r"a.sls:8:\d+: no file.managed .* is for .*/ff. Did you mean '.*/f'"),
        (TAKER + text("a", "@/f"), "a.sls:7:3: .*/f does not wait for this text: add `require_in: - file: taker`"),
        (TAKER + text("a", "@/f", "- onfail_in: [{file: taker}]"), "does not wait for this text"),
        (PLAIN + text("a", "@/f", IN), r"a.sls:7:\d+: the file.managed of .*/f has no `template`"),
        (TAKER + text("a", "f", IN), r"a.sls:8:\d+: not an absolute path: 'f'"),
        (TAKER + text("''", "@/f", IN), r"a.sls:9:\d+: there is no text to gather"),
    ],
)
def test_a_text_that_would_go_nowhere_is_refused_before_the_run(tmp_path: Path, sls: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        apply(tmp_path, sls.replace("@", str(tmp_path)))
    assert not (tmp_path / "f").exists()


def test_a_state_that_is_left_out_adds_nothing(tmp_path: Path) -> None:
    sls = TAKER.replace(
        "contents: x", "contents: '{% raw %}{{ accumulator.a is defined }} {{ accumulator.b }}{% endraw %}'"
    )
    sls += text("a", "@/f", IN, "- creates: /") + text("b", "@/f", IN)
    for test in (True, False):
        assert apply(tmp_path, sls, test=test)["a"].skipped
    assert (tmp_path / "f").read_text() == "False ['b']\n"


def test_a_file_whose_text_failed_to_come_is_not_written(tmp_path: Path) -> None:
    sls = TAKER + text("a", "@/f", IN, "- require: [{test: bad}]") + "bad: test.fail_without_changes\n"
    assert apply(tmp_path, sls)["taker"].result is False
    assert not (tmp_path / "f").exists()


def test_a_template_without_texts_knows_no_accumulator(tmp_path: Path) -> None:
    apply(tmp_path, TAKER.replace("contents: x", "contents: '{% raw %}{{ accumulator is defined }}{% endraw %}'"))
    assert (tmp_path / "f").read_text() == "False\n"


BLOCKS = """\
one:
  file.blockreplace:
    - name: @/f
    - marker_start: '#1'
    - marker_end: '#1 end'
    - content: mine
    - append_if_not_found: True
two:
  file.blockreplace:
    - name: @/f
    - marker_start: '#2'
    - marker_end: '#2 end'
    - append_if_not_found: True
    - require: [{file: one}]
"""


def test_each_block_of_a_file_gets_the_texts_that_name_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    sls = BLOCKS + "".join(
        text(id, "@/f", f"- require_in: [{{file: {block}}}]")
        for id, block in (("a", "one"), ("b", "two"), ("c", "two"))
    )
    assert apply(tmp_path, sls, test=True)["two"].result is None
    assert all(one.result for one in apply(tmp_path, sls).values())
    assert (tmp_path / "f").read_text() == "#1\nmine\na\n#1 end\n#2\nb\nc\n#2 end\n"
    assert not any(one.changed for one in apply(tmp_path, sls).values())


SECRET = text("a", "@/f", "- require_in: [{file: taker}]").replace("text: a", "text: {{ pillar.key }}")
WRITER = TAKER.replace("contents: x", "contents: '{% raw %}{{ accumulator.a[0] }}{% endraw %}'")


def test_a_secret_text_is_written_into_a_managed_file_and_never_shown(tmp_path: Path) -> None:
    results = apply(tmp_path, WRITER + SECRET, pillar={"key": Secret("hush-hush")})
    assert (tmp_path / "f").read_text() == "hush-hush\n"
    assert "hush-hush" not in str(results)


def test_a_secret_text_for_a_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a secret can only be written where a whole file is managed"):
        apply(tmp_path, BLOCKS + SECRET.replace("taker", "one"), pillar={"key": Secret("hush-hush")})
