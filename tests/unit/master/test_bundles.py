import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from master import bundle_maker, bundles
from master.bundle_maker import BundleMaker, make_bundle
from master.bundle_messages import Asked, config_of, settings_of
from master.bundles import BundlePool, NoBundle
from master.trees import SETTLE_NS
from saltern.config import MasterConfig
from saltern.errors import SourceError
from saltern.wire import bundle as wire
from saltern.wire import seal
from saltern.wire.bundle import Bundle, BundleError
from tests.patience import WAIT_S

T = TypeVar("T")
KEY = seal.new_private()
PUBLIC = seal.public_of(KEY)
SLOW = (  # for many seconds
    "{% if id == 'slow' %}{% for i in range(2000) %}"
    "{% for j in range(2000) if 'x' * 100000 == '' %}{% endfor %}{% endfor %}{% endif %}"
)


@pytest.fixture
def config(tmp_path: Path) -> MasterConfig:
    (tmp_path / "states").mkdir()
    (tmp_path / "pillar").mkdir()
    (tmp_path / "states" / "top.sls").write_text("base: {'*': [net]}")
    (tmp_path / "pillar" / "top.sls").write_text("base: {'*': [all]}")
    write(tmp_path, "id: {{ id }}\nos: {{ grains.get('os', '') }}\nextra: {{ pillar.get('x', 0) }}\npassword: CANARY")
    return MasterConfig(
        root=tmp_path / "root",
        file_roots={"base": [str(tmp_path / "states")]},
        pillar_roots={"base": [str(tmp_path / "pillar")]},
    )


def write(place: Path, text: str) -> None:
    (place / "pillar" / "all.sls").write_text(text)


def asked(id: str = "on-node1", **changed: Any) -> Asked:
    return Asked(id, f"fp {id}", PUBLIC, {"os": "Debian"}, b"jid", **changed)


def pillar(bundle: object, id: str = "on-node1") -> Any:
    assert isinstance(bundle, Bundle), bundle
    return wire.open_bundle(KEY, f"fp {id}", id, bundle).pillar


def with_pool(config: MasterConfig, work: Callable[[BundlePool], Awaitable[T]], **settings: float) -> T:
    async def run() -> T:
        pool = BundlePool(config, **settings)
        try:
            return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


# --- the maker


def test_a_bundle_holds_the_trees_and_the_minions_own_pillar(config: MasterConfig) -> None:
    made = make_bundle(BundleMaker(config), "on-node1", "fp on-node1", PUBLIC, {"os": "Debian"}, b"jid", {"x": 5})
    assert pillar(made) == {"id": "on-node1", "os": "Debian", "extra": 5, "password": "CANARY", "x": 5}
    assert [tree.saltenv for tree in made.trees] == ["base"]
    assert b"CANARY" not in wire.encode(made)


def settled(config: MasterConfig) -> BundleMaker:
    """A maker that may keep what it renders, since the pillar's files are old enough."""
    time.sleep(SETTLE_NS / 1e9 + 0.02)
    maker = BundleMaker(config)
    maker.refresh()
    return maker


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "on-node2"},
        {"fingerprint": "another key under the same id"},
        {"grains": {"os": "Debia"}},
        {"grains": {"os": "Debian", "x": 1}},
        {"saltenv": "base"},
        {"override": {}},
        {"override": {"x": 1}},
        {"grains": {"os": "Debian", "a": {"b": 1}}},
        {"grains": {"os": "Debian", "a": "b", "c": 1}},
    ],
)
def test_a_kept_pillar_is_given_for_the_very_same_question_alone(config: MasterConfig, changed: dict[str, Any]) -> None:
    import msgspec

    maker = settled(config)
    question = asked()
    other = msgspec.structs.replace(question, **changed)
    assert maker.pillar(question) is maker.pillar(asked())
    assert maker._key(question) != maker._key(other)
    assert maker.pillar(question) is not maker.pillar(other)


def test_a_changed_file_empties_what_was_kept(config: MasterConfig, tmp_path: Path) -> None:
    maker = settled(config)
    maker.pillar(asked())
    write(tmp_path, "new: 1")
    maker.refresh()
    assert maker.pillar(asked()) == {"new": 1}


def test_while_a_file_may_change_unseen_nothing_is_kept(
    config: MasterConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_maker, "SETTLE_NS", 3600 * 10**9)  # however slow the machine, the file is new
    write(tmp_path, "x: 1")
    maker = BundleMaker(config)
    maker.refresh()
    assert maker.pillar(asked()) is not maker.pillar(asked())


def test_settings_reach_the_worker_as_they_are(config: MasterConfig) -> None:
    assert config_of(settings_of(config)) == config


def test_a_pillar_error_has_its_place(config: MasterConfig, tmp_path: Path) -> None:
    write(tmp_path, "ok: 1\nbad: {{ nope }}")
    with pytest.raises(SourceError, match=r"all\.sls:2"):
        make_bundle(BundleMaker(config), "m", "fp", PUBLIC, {}, b"")


# --- the pool


def test_each_minion_gets_its_own_bundle_in_the_order_asked(config: MasterConfig) -> None:
    names = [f"on-node{number}" for number in range(150)]  # more than one message
    made = with_pool(config, lambda pool: pool.bundles([asked(name) for name in names]))
    assert [pillar(bundle, name)["id"] for name, bundle in zip(names, made, strict=True)] == names


def test_an_error_in_one_pillar_is_that_minions_alone(config: MasterConfig, tmp_path: Path) -> None:
    write(tmp_path, "id: {{ id }}\nx: {% if id == 'bad' %}{{ nope }}{% endif %}")
    good, bad, last = with_pool(config, lambda pool: pool.bundles([asked("good"), asked("bad"), asked("last")]))
    assert (pillar(good, "good")["id"], pillar(last, "last")["id"]) == ("good", "last")
    assert isinstance(bad, BundleError)
    assert bad.text.startswith("the pillar of bad can't be rendered:\nall.sls:2:27: the variable 'nope' is undefined")


def test_a_pillar_that_takes_too_long_costs_its_minion_alone(config: MasterConfig, tmp_path: Path) -> None:
    write(tmp_path, "id: {{ id }}\n" + SLOW)
    names = ["first", "slow", "last"]
    for seconds in (1.0, 4.0, 4.0, 4.0):  # below `fence.CPU_S`; until no slow moment of this machine costs another one
        made = with_pool(config, lambda pool: pool.bundles([asked(name) for name in names]), render_s=seconds)
        if isinstance(made[0], Bundle) and isinstance(made[2], Bundle):
            break
    assert [isinstance(one, BundleError) for one in made] == [False, True, False]
    assert made[1] == BundleError("the pillar of slow was not rendered: it took too long. Does a template loop?")
    assert pillar(made[2], "last")["id"] == "last"


def test_a_worker_that_is_killed_costs_the_minion_that_it_was_at(config: MasterConfig, tmp_path: Path) -> None:
    write(tmp_path, "id: {{ id }}\n" + SLOW)

    async def work(pool: BundlePool) -> list[Bundle | BundleError]:
        task = asyncio.create_task(pool.bundles([asked("slow"), asked("good")]))
        while pool._worker is None:
            await asyncio.sleep(0.01)
        pool._worker.process.kill()
        return await task

    slow, good = with_pool(config, work)
    assert slow == BundleError("the pillar of slow was not rendered: the process that renders it was ended by SIGKILL")
    assert pillar(good, "good")["id"] == "good"


def test_a_worker_that_never_lives_long_is_not_started_for_ever(
    config: MasterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    made = with_pool(config, lambda pool: pool.bundles([asked(str(number)) for number in range(50)]))
    assert len(made) == 50
    assert all(isinstance(one, BundleError) and "ended with status 1" in one.text for one in made)


def test_the_worker_ends_when_nothing_is_asked_and_starts_again(config: MasterConfig) -> None:
    async def work(pool: BundlePool) -> None:
        await pool.bundles([asked()])
        assert pool._worker
        process = pool._worker.process
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
        [again] = await pool.bundles([asked()])
        assert pillar(again)["id"] == "on-node1"

    with_pool(config, work, idle_s=0.05)


def test_a_request_that_was_given_up_does_not_answer_the_next_one(config: MasterConfig, tmp_path: Path) -> None:
    write(tmp_path, "id: {{ id }}\n" + SLOW)

    async def work(pool: BundlePool) -> object:
        await pool.bundles([asked("first")])
        task = asyncio.create_task(pool.bundles([asked("slow")]))
        await asyncio.sleep(0.05)
        task.cancel()
        [found] = await pool.bundles([asked("next")])
        return found

    assert pillar(with_pool(config, work), "next")["id"] == "next"


def test_more_minions_than_may_wait_are_told_so(config: MasterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_WAITING", 1)
    made = with_pool(config, lambda pool: pool.bundles([asked("a"), asked("b")]))
    assert all(isinstance(one, BundleError) and "try again" in one.text for one in made)


def test_the_masters_own_forms_give_bytes_errors_and_pillars(config: MasterConfig, tmp_path: Path) -> None:
    write(tmp_path, "id: {{ id }}\nx: {% if id == 'bad' %}{{ nope }}{% endif %}")
    a, b = b"a" * 32, b"b" * 32

    async def work(pool: BundlePool) -> tuple[list[Any], dict[bytes, Any]]:
        made = await pool.encoded([(a, "good", PUBLIC, {}, b"1", ""), (b, "bad", PUBLIC, {}, b"1", "")])
        return made, await pool.pillars([(a, "good", {}), (b, "bad", {})])

    (good, bad), pillars = with_pool(config, work)
    assert wire.decode(good).context == b"1"
    assert isinstance(bad, NoBundle)
    assert pillars == {a: {"id": "good", "x": None}, b: {}}


def test_values_from_outside_are_part_of_what_a_kept_pillar_depends_on(config: MasterConfig, tmp_path: Path) -> None:
    from dataclasses import replace

    file = tmp_path / "ext/hosts/on-node1/word"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    maker = settled(replace(config, ext_pillar=[{"file_tree": str(tmp_path / "ext")}]))
    first = maker.pillar(asked())
    assert first["word"] == "one"
    assert maker.pillar(asked()) is first
    file.write_text("two")
    assert maker.pillar(asked())["word"] == "two"


def test_a_sealed_value_from_outside_reaches_its_minion_and_no_answer_in_clear(
    config: MasterConfig, tmp_path: Path
) -> None:
    from dataclasses import replace

    from master.bundle_messages import PILLAR_KEY
    from saltern.secret import Secret
    from saltern.wire.keys import load_or_make
    from saltern.wire.sealed_value import sealed

    public = load_or_make(config.paths.var / "master" / PILLAR_KEY).public
    file = tmp_path / "ext/hosts/on-node1/word"
    file.parent.mkdir(parents=True)
    file.write_text(sealed(public, Secret("HUSH"), "on-*"))
    with_ext = replace(config, ext_pillar=[{"file_tree": str(tmp_path / "ext")}])
    [found] = with_pool(with_ext, lambda pool: pool.bundles([asked()]))
    assert pillar(found)["word"] == Secret("HUSH")
    shown = with_pool(with_ext, lambda pool: pool.pillar(b"x", "on-node1", {}))
    assert shown["word"] == str(Secret(""))
    file.write_text(sealed(public, Secret("HUSH"), "other"))
    [refused] = with_pool(with_ext, lambda pool: pool.bundles([asked()]))
    assert isinstance(refused, BundleError)
    assert "ext_pillar 1 (file_tree): word: this value is sealed for other" in str(refused)


def test_a_wrong_external_source_ends_the_start_of_the_master(config: MasterConfig) -> None:
    from dataclasses import replace

    from saltern.errors import ConfigError

    with pytest.raises(ConfigError, match="there is no kind 'gti'"):
        with_pool(replace(config, ext_pillar=[{"gti": {}}]), lambda pool: pool.bundles([asked()]))
