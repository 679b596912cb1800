from typing import Any

import msgspec
import pytest

from saltern.secret import Secret
from saltern.wire import bundle, seal
from saltern.wire.bundle import BadBundle, Bundle, TreeKey

KEY = seal.new_private()
TREES = [TreeKey("base", "a" * 64, b"k" * 32), TreeKey("dev", "b" * 64, b"l" * 32)]
PILLAR: dict[Any, Any] = {"password": "CANARY", 43: {"vlan": True}, "none": None, "list": [1, "x"]}


def made(minion: str = "on-node1", context: bytes = b"jid 1", **changed: object) -> Bundle:
    packed = bundle.pack_pillar(minion, "", TREES, PILLAR)
    return msgspec.structs.replace(
        bundle.make(seal.public_of(KEY), "fp", context, minion_id=minion, saltenv="", trees=TREES, pillar=packed),
        **changed,
    )


def test_a_bundle_opens_for_its_minion() -> None:
    opened = bundle.open_bundle(KEY, "fp", "on-node1", bundle.decode(bundle.encode(made())))
    assert opened.pillar == PILLAR
    assert opened.trees == tuple(TREES)


def test_nothing_secret_is_in_an_encoded_bundle_or_in_what_prints() -> None:
    data = bundle.encode(made())
    assert b"CANARY" not in data
    assert b"k" * 32 not in data
    opened = bundle.open_bundle(KEY, "fp", "on-node1", made())
    assert "CANARY" not in repr(opened)
    assert "kkkk" not in repr(opened)


@pytest.mark.parametrize(
    ("fingerprint", "minion"), [("other", "on-node1"), ("fp", "on-node2"), ("fpon-", "node1"), ("", "on-node1")]
)
def test_a_bundle_does_not_open_for_another_minion(fingerprint: str, minion: str) -> None:
    with pytest.raises(seal.CannotOpen):
        bundle.open_bundle(KEY, fingerprint, minion, made())


def test_a_bundle_does_not_open_under_another_request() -> None:
    with pytest.raises(seal.CannotOpen):
        bundle.open_bundle(KEY, "fp", "on-node1", msgspec.structs.replace(made(), context=b"jid 2"))


def test_the_pillar_of_an_older_bundle_does_not_open_in_a_newer_one() -> None:
    with pytest.raises(seal.CannotOpen):
        bundle.open_bundle(KEY, "fp", "on-node1", made(pillar=made(context=b"jid 0").pillar))


def test_the_trees_of_another_bundle_are_refused() -> None:
    older = made(context=b"jid 0")
    with pytest.raises(seal.CannotOpen):
        bundle.open_bundle(KEY, "fp", "on-node1", made(trees=older.trees))


@pytest.mark.parametrize("keep", [[0], [1], [1, 0], []])
def test_a_bundle_that_lacks_or_swaps_trees_is_refused(keep: list[int]) -> None:
    whole = made()
    with pytest.raises(BadBundle, match="mixes"):
        bundle.open_bundle(KEY, "fp", "on-node1", msgspec.structs.replace(whole, trees=[whole.trees[i] for i in keep]))


def test_a_secret_value_stays_a_secret_on_the_minion() -> None:
    packed = bundle.pack_pillar("m", "", [], {"password": Secret("CANARY")})
    box = bundle.make(seal.public_of(KEY), "fp", b"", minion_id="m", saltenv="", trees=[], pillar=packed)
    assert bundle.open_bundle(KEY, "fp", "m", box).pillar["password"] == Secret("CANARY")


@pytest.mark.parametrize("value", [object(), 1 << 70, {1, object()}], ids=["object", "number", "set"])
def test_a_value_that_cannot_be_sent_is_told(value: object) -> None:
    with pytest.raises(BadBundle, match="the pillar of m has a value that can't be sent"):
        bundle.pack_pillar("m", "", [], {"x": value})


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", bundle.encode(made()) + b"\0", msgspec.msgpack.encode([2, "", b"", [], b""])]
)
def test_bytes_that_are_no_bundle_are_refused(data: bytes) -> None:
    with pytest.raises(BadBundle):
        bundle.decode(data)
