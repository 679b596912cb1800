"""The examples of docs/extending.md run as they stand there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from saltern.custom.outline import outline
from tests.unit.saltern.custom.trees import put, ran

PAGE = Path(__file__).parents[4] / "docs/extending.md"


def examples() -> dict[str, str]:
    """The files that the page shows, by path."""
    found: dict[str, str] = {}
    for block in re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text(), re.MULTILINE):
        parts = re.split(r"^# (_\w+/\w+\.py)\n", textwrap.dedent(block), flags=re.MULTILINE)
        found |= dict(zip(parts[1::2], parts[2::2], strict=True))
    return found


def test_the_module_and_the_state_of_the_page_converge(tmp_path: Path) -> None:
    files = examples()
    assert sorted(files) == ["_grains/rack.py", "_modules/note.py", "_runners/deploy.py", "_states/note.py"]
    put(tmp_path, files)
    put(tmp_path, {"t.sls": f"{tmp_path}/note:\n  note.present:\n    - text: hello\n"})
    (planned,) = ran(tmp_path, "state.apply", "t", test=True).value.values()
    assert planned["result"] is None
    (done,) = ran(tmp_path, "state.apply", "t").value.values()
    assert done["result"] is True
    assert ran(tmp_path, "note.read", f"{tmp_path}/note").value == "hello"


def test_the_other_examples_of_the_page_offer_what_it_says() -> None:
    files = examples()
    grain: dict[str, object] = {}
    exec(files["_grains/rack.py"], grain)
    assert callable(grain["rack"])
    assert grain["rack"]({"host": "r7-node1"}) == {"rack": "r7"}
    runner = outline(files["_runners/deploy.py"].encode(), "_runners/deploy.py")
    assert runner.typed
