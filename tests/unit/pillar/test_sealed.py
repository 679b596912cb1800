"""Sealed values: opened on the master, for the minions that they name, where people wrote them; printed nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillar.compiler import compile_pillar
from pillar.sealed import opener_of
from saltern.errors import SalternError, SourceError
from saltern.files import LocalFiles
from saltern.secret import Secret
from saltern.wire import seal, sealed_value
from saltern.wire.keys import load_or_make

SECRET = seal.new_private()
PUBLIC = seal.public_of(SECRET)


class Site:
    """A pillar tree of one SLS, on a master with a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key_file = folder / "keys/pillar.key"
        self.public = load_or_make(self.key_file).public
        (folder / "tree").mkdir()
        (folder / "tree/top.sls").write_text("base: {'*': [all]}\n")

    def sealed(self, text: str = "CANARY", minions: str = "*") -> str:
        return sealed_value.sealed(self.public, Secret(text), minions)

    def pillar(self, text: str, *, grains: Any = None, id: str = "web1", opener: bool = True, **more: Any) -> Any:
        (self.folder / "tree/all.sls").write_text(text)
        files = LocalFiles({"base": [str(self.folder / "tree")]})
        way = opener_of(self.key_file) if opener else None
        return compile_pillar(files, id, grains or {}, opener=way, **more)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@settings(max_examples=40)
@given(st.text(min_size=1).filter(lambda text: text.isprintable()), st.sampled_from(["*", "web*", "web[12]", "a-b.c"]))
def test_what_is_sealed_comes_back_and_is_not_in_the_box(text: str, minions: str) -> None:
    box = sealed_value.sealed(PUBLIC, Secret(text), minions)
    found = sealed_value.PATTERN.fullmatch(box)
    assert found is not None
    assert found["minions"] == minions
    assert sealed_value.opened(SECRET, minions, found["box"]).reveal() == text


@settings(max_examples=40)
@given(st.integers(0, 200), st.sampled_from("AZaz09-_"))
def test_a_box_that_was_changed_does_not_open(place: int, char: str) -> None:
    box = sealed_value.sealed(PUBLIC, Secret("CANARY"), "*").partition(":")[2].rstrip("]")
    at = place % (len(box.rstrip("=")) - 1)
    if box[at] != char:
        with pytest.raises(sealed_value.NotOpened):
            sealed_value.opened(SECRET, "*", box[:at] + char + box[at + 1 :])


def test_the_minions_of_a_box_can_not_be_widened() -> None:
    box = sealed_value.sealed(PUBLIC, Secret("CANARY"), "web*").partition(":")[2].rstrip("]")
    with pytest.raises(sealed_value.NotOpened, match="were changed"):
        sealed_value.opened(SECRET, "*", box)


def test_another_masters_box_is_told_as_such() -> None:
    box = sealed_value.sealed(seal.public_of(seal.new_private()), Secret("x")).partition(":")[2].rstrip("]")
    with pytest.raises(sealed_value.NotOpened, match="this master has"):
        sealed_value.opened(SECRET, "*", box)


def test_a_sealed_value_is_a_secret_in_the_pillar(site: Site) -> None:
    found = site.pillar(f"a:\n  - password: {site.sealed()}\nurl: pg://u:{site.sealed()}@db\nplain: 1\n")
    assert found["a"][0]["password"] == Secret("CANARY")
    assert found["url"] == Secret("pg://u:CANARY@db")
    assert "CANARY" not in repr(found)


def test_it_may_be_folded_over_lines(site: Site) -> None:
    box = site.sealed("CANARY" * 30)
    folded = "\n".join(f"  {box[at : at + 60]}" for at in range(0, len(box), 60))
    assert site.pillar(f"a: >-\n{folded}\nb: |\n{folded}\n")["a"] == Secret("CANARY" * 30)


def test_a_template_may_carry_what_is_written_in_the_tree(site: Site) -> None:
    (site.folder / "tree/map.jinja").write_text(f"{{% set box = '{site.sealed()}' %}}\n")
    found = site.pillar("{% from 'map.jinja' import box %}\na: {{ box }}\n")
    assert found == {"a": Secret("CANARY")}


def test_a_grain_can_not_have_a_box_opened(site: Site) -> None:
    with pytest.raises(SourceError, match="perhaps from a minion") as caught:
        site.pillar("a: {{ grains.motd }}\n", grains={"motd": site.sealed()})
    assert (caught.value.file, caught.value.line) == ("all.sls", 1)
    assert "CANARY" not in str(caught.value)


def test_a_box_opens_for_the_minions_that_it_names(site: Site) -> None:
    text = f"a: {site.sealed(minions='web*')}\n"
    assert site.pillar(text)["a"] == Secret("CANARY")
    with pytest.raises(SourceError, match=r"this value is sealed for web\*, not for db1") as caught:
        site.pillar(text, id="db1")
    assert caught.value.line == 1


@pytest.mark.parametrize("text", ["SEALED[x]", "SEALED[*:]", "SEALED[*:AAAA]", "SEALED[*:!!]"])
def test_a_damaged_box_is_told_with_its_place(site: Site, text: str) -> None:
    with pytest.raises(SourceError) as caught:
        site.pillar(f"ok: 1\na: {text}\n")
    assert (caught.value.file, caught.value.line) == ("all.sls", 2)


def test_only_the_master_opens(site: Site) -> None:
    with pytest.raises(SourceError, match="only the master opens it"):
        site.pillar(f"a: {site.sealed()}\n", opener=False)
    box = site.sealed()
    site.key_file.unlink()
    with pytest.raises(SalternError, match="this master has no key for that"):
        site.pillar(f"a: {box}\n")


def test_a_value_of_the_command_line_is_not_opened(site: Site) -> None:
    box = site.sealed()
    assert site.pillar("a: 1\n", override={"b": box})["b"] == box
