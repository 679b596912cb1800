"""The state of a seed: made, left alone, written anew, mended; and its steps as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules import cloud_init, file
from modules._seed.values import SeedError
from modules.cloud_init import seed as made
from saltern.converge.compare import changes, plain
from saltern.converge.plan import UNSET, call
from saltern.converge.state import check_of
from saltern.secret import Secret
from states.cloud_init import Volume, seed, steps
from tests.plans import context, converge

A, B = made(hostname="a"), made(hostname="b")


def test_a_missing_volume_is_made_and_a_differing_one_written() -> None:
    wish = Volume(A, UNSET, UNSET, "0600")
    do = call(cloud_init.write, "/s.iso", A.files, label="cidata", mode="0600")
    (first,) = steps("/s.iso", None, wish)
    assert (first.sentence, first.before, first.after, first.do) == ("make the seed /s.iso", None, A, do)
    (second,) = steps("/s.iso", Volume(B, mode="0644"), wish)
    assert (second.sentence, second.before, second.after, second.do) == ("write the seed /s.iso", B, A, do)


def test_where_only_the_mode_differs_the_volume_is_not_written() -> None:
    (step,) = steps("/s.iso", Volume(A, mode="0644"), Volume(A, mode="0600"))
    assert step.do == call(file.set_attributes, "/s.iso", mode="0600")
    assert list(steps("/s.iso", Volume(A, mode="0600"), Volume(A, mode="0600"))) == []


def test_a_seed_is_made_left_alone_and_mended(tmp_path: Path) -> None:
    ctx, path = context(tmp_path), tmp_path / "seed.iso"
    converge(seed, ctx, str(path), hostname="a")
    before = path.stat()
    assert converge(seed, ctx, str(path), hostname="a").steps == ()
    assert path.stat() == before
    path.chmod(0o644)
    assert [s.sentence for s in converge(seed, ctx, str(path), hostname="a").steps] == [f"set mode 0600 of {path}"]
    path.write_bytes(path.read_bytes().replace(b"local-hostname: a", b"local-hostname: x"))
    assert [s.sentence for s in converge(seed, ctx, str(path), hostname="a").steps] == [f"write the seed {path}"]
    plan = converge(seed, ctx, str(path), hostname="a", format="opennebula")
    assert [s.sentence for s in plan.steps] == [f"write the context {path}"]


def test_planning_writes_nothing_and_shows_no_secret(tmp_path: Path) -> None:
    ctx, path = context(tmp_path), tmp_path / "seed.iso"
    converge(seed, ctx, str(path), instance_id="i", hostname="a")
    before = path.read_bytes()
    plan = seed(ctx, str(path), instance_id="i", hostname="a", password=Secret("geheim"), packages=["x"])
    shown = f"{plan.steps} {[plain(s.before) for s in plan.steps]} {[plain(s.after) for s in plan.steps]}"
    shown += str(changes(str(path), plan.current, plan.wish, plan.wish))
    assert "$6$" not in shown
    assert "geheim" not in shown
    assert "what differs: password, chpasswd, packages" in shown
    assert path.read_bytes() == before


def test_a_damaged_seed_is_made_anew_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    ctx, path = context(tmp_path), tmp_path / "seed.iso"
    converge(seed, ctx, str(path), hostname="a")
    path.write_bytes(path.read_bytes()[: 17 * 2048])
    assert converge(seed, ctx, str(path), hostname="a").steps
    path.write_bytes(b"other")
    with pytest.raises(SeedError, match="is no seed"):
        seed(ctx, str(path), hostname="a")


def test_a_volume_that_others_may_write_and_one_without_a_directory_are_refused(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    refuse = check_of(seed)
    assert refuse is not None
    with pytest.raises(SeedError, match="mode 0666"):
        refuse("/seed.iso", mode="0666")
    with pytest.raises(SeedError, match="not a host name"):
        refuse("/seed.iso", hostname="a b", network=[])
    assert seed(ctx, str(tmp_path / "no/seed.iso")).unknown == f"there is no directory {tmp_path}/no on this node"
