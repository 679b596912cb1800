import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.wire import seal

KEY = seal.new_private()
PUBLIC = seal.public_of(KEY)


def test_what_was_sealed_is_opened() -> None:
    sealed = seal.seal(PUBLIC, "pillar", b"on-node1", b"canary")
    assert b"canary" not in sealed
    assert len(sealed) == len(b"canary") + seal.OVERHEAD_BYTES
    assert seal.open_sealed(KEY, "pillar", b"on-node1", sealed) == b"canary"


def test_sealing_twice_gives_different_boxes() -> None:
    assert seal.seal(PUBLIC, "pillar", b"", b"x") != seal.seal(PUBLIC, "pillar", b"", b"x")


@pytest.mark.parametrize(
    ("purpose", "context"), [("tree key", b"on-node1"), ("pillar", b"on-node2"), ("pillaro", b"n-node1")]
)
def test_a_box_does_not_open_for_another_purpose_or_context(purpose: str, context: bytes) -> None:
    sealed = seal.seal(PUBLIC, "pillar", b"on-node1", b"canary")
    with pytest.raises(seal.CannotOpen):
        seal.open_sealed(KEY, purpose, context, sealed)


def test_a_box_does_not_open_with_another_minions_key() -> None:
    with pytest.raises(seal.CannotOpen, match="another minion"):
        seal.open_sealed(seal.new_private(), "pillar", b"", seal.seal(PUBLIC, "pillar", b"", b"canary"))


@given(st.data())
@settings(max_examples=60)
def test_a_box_with_one_bit_changed_or_cut_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal.seal(PUBLIC, "pillar", b"c", b"some pillar"))
    if data.draw(st.booleans()):
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    else:
        del sealed[data.draw(st.integers(0, len(sealed) - 1)) :]
    with pytest.raises(seal.CannotOpen):
        seal.open_sealed(KEY, "pillar", b"c", bytes(sealed))


@pytest.mark.parametrize("public", [b"", b"x" * 31, b"x" * 33, bytes(32)])
def test_a_public_key_of_wrong_length_or_small_order_is_refused(public: bytes) -> None:
    with pytest.raises(ValueError):
        seal.seal(public, "pillar", b"", b"")


def test_a_known_pair_is_that_of_rfc_7748() -> None:
    from saltern.secret import Secret

    private = Secret("09" + "00" * 31)  # section 5.2, the first of the iterated calls
    assert seal.public_of(private).hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"


@given(st.lists(st.binary(max_size=12), max_size=4), st.lists(st.binary(max_size=12), max_size=4))
def test_different_parts_never_give_the_same_context(one: list[bytes], other: list[bytes]) -> None:
    assert (seal.context_of(*one) == seal.context_of(*other)) == (one == other)
