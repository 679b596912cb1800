"""The VLANs of bridge ports: one canonical form, and the fewest entries between two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._network.bridgevlans import Entry, Vlans, changes, joined, vlan_attributes, vlans_of

IDS = st.frozensets(st.integers(1, 30))


@st.composite
def vlans(draw: st.DrawFn) -> Vlans:
    tagged, untagged = draw(IDS), draw(IDS)
    tagged -= untagged
    pvid = draw(st.sampled_from([None, *sorted(tagged | untagged)]))
    return Vlans(pvid, untagged, tagged)


def kernel(have: Vlans, gone: list[Entry], new: list[Entry]) -> Vlans:
    """What net/bridge/br_vlan.c makes of these entries: __vlan_add_flags, __vlan_del."""
    pvid, entries = have.pvid, {vid: vid in have.untagged for vid in have.tagged | have.untagged}
    for entry in gone:
        for vid in range(entry.first, entry.last + 1):
            del entries[vid]
            pvid = None if pvid == vid else pvid
    for entry in new:
        assert not (entry.flags & 2 and entry.first != entry.last), "the kernel refuses a range of PVIDs"
        for vid in range(entry.first, entry.last + 1):
            entries[vid] = bool(entry.flags & 4)
            if entry.flags & 2:
                pvid = vid
            elif pvid == vid:
                pvid = None
    return Vlans(
        pvid,
        frozenset(vid for vid, untagged in entries.items() if untagged),
        frozenset(vid for vid, untagged in entries.items() if not untagged),
    )


@given(vlans(), vlans())
def test_the_changes_lead_from_one_to_the_other(have: Vlans, want: Vlans) -> None:
    assert kernel(have, *changes(have, want)) == want


@given(vlans())
def test_what_is_as_wished_needs_no_entry(have: Vlans) -> None:
    assert changes(have, have) == ([], [])


@given(vlans())
def test_what_is_sent_reads_back_the_same(want: Vlans) -> None:
    _, new = changes(Vlans(), want)
    assert vlans_of(value for _, value in vlan_attributes(new)) == want


@pytest.mark.parametrize(
    ("have", "want", "gone", "new"),
    [
        (Vlans(), Vlans(None, frozenset(), frozenset(range(10, 21))), [], [Entry(10, 20, 0)]),
        (Vlans(1, frozenset({1})), Vlans(43, frozenset({43})), [Entry(1, 1, 0)], [Entry(43, 43, 6)]),
        (Vlans(1, frozenset({1})), Vlans(None, frozenset({1})), [], [Entry(1, 1, 4)]),
    ],
)
def test_neighbours_are_one_range(have: Vlans, want: Vlans, gone: list[Entry], new: list[Entry]) -> None:
    assert changes(have, want) == (gone, new)


def test_they_are_shown_as_ranges() -> None:
    assert joined([43, 1, 10, 11, 12, 43]) == "1,10-12,43"
    assert str(Vlans(1, frozenset({1}), frozenset({10, 11}))) == "PVID 1, untagged 1, tagged 10-11"
    assert str(Vlans()) == "no VLANs"
