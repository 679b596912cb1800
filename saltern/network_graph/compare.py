"""What is declared against what is real: a mark for every box and every line, and the differences as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_interface

from saltern.network_graph.graph import FACTS, Box, Net

MADE = ("bridge", "vlan", "bond", "vxlan", "macvlan", "veth")  # kinds that someone made; others are just there
WORDS = {
    "vlan_id": "VLAN",
    "vlan_protocol": "protocol",
    "vxlan_id": "VXLAN",
    "vlan_filtering": "VLAN filter",
    "stp": "STP",
    "mac": "MAC",
    "mtu": "MTU",
    "port": "UDP port",
    "gateway6": "gateway",
    "vlans": "VLANs:",
}


_SWITCHES = {"up": ("up", "down"), "stp": ("on", "off"), "vlan_filtering": ("on", "off")}


class Mark(Enum):
    """How a box or a line stands."""

    SAME = "same"  # declared, and so it is
    DIFFERENT = "different"  # declared, and there, but not so
    MISSING = "missing"  # declared, and not there
    EXTRA = "extra"  # there, and declared not to be, or made by someone and not declared
    OTHER = "other"  # there, and nothing is declared of it


@dataclass(frozen=True, slots=True)
class Difference:
    """Field FIELD of the box with the key KEY: "present" (the box itself), "kind", "addresses", "on" (what it lies on)
    or one of `FACTS`. None: nothing."""

    key: str
    field: str
    declared: str | None
    real: str | None

    @property
    def sentence(self) -> str:
        """The difference in words, without the name of its box."""
        word = WORDS.get(self.field, self.field)
        if self.field == "present":
            return "missing" if self.declared else "not declared" if self.declared is None else ""
        if self.field == "absent":
            return "declared absent"
        if self.field == "addresses":
            return f"{self.declared} is missing" if self.declared else f"{self.real} is not declared"
        if self.field == "on":
            return f"not on {self.declared}" if self.declared else f"on {self.real}, not declared"
        if self.field in _SWITCHES:
            yes, no = _SWITCHES[self.field]
            words = {"yes": yes, "no": no}
            subject = "" if self.field == "up" else f"{word} "
            return f"{subject}{words.get(self.real or '', 'unknown')}, declared {words.get(self.declared or '', '?')}"
        return f"{word} {self.real or 'none'}, declared {self.declared}"


@dataclass(frozen=True, slots=True)
class Line:
    """Box ABOVE lies on box BELOW (keys)."""

    below: str
    above: str
    mark: Mark
    label: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One box on both sides; None where it is not there."""

    key: str
    declared: Box | None
    real: Box | None
    mark: Mark

    @property
    def box(self) -> Box:
        """The side that says more."""
        found = self.real or self.declared
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both networks in one: the pairs by key, the lines, and what differs."""

    pairs: Mapping[str, Pair]
    lines: tuple[Line, ...]
    differences: tuple[Difference, ...]
    left_out: int = 0

    def of(self, key: str) -> list[Difference]:
        """What differs of one box."""
        return [difference for difference in self.differences if difference.key == key]


def compare(declared: Net, real: Net) -> Comparison:
    """Both networks side by side. Where no interface is declared, none is extra; the same of guests."""
    wanted = {key: box for key, box in declared.boxes.items() if not _is_noise(box)}
    there = {key: box for key, box in real.boxes.items() if not _is_noise(box) or key in wanted}
    lines = tuple(_lines(wanted, there))
    differences: list[Difference] = []
    pairs: dict[str, Pair] = {}
    told = {any_guest: any(box.is_guest == any_guest for box in wanted.values()) for any_guest in (True, False)}
    for key in dict.fromkeys([*there, *wanted]):
        have, wish = there.get(key), wanted.get(key)
        told_of = told[(have or wanted[key]).is_guest]
        found = list(_differences(key, wish, have, key in declared.absent, told_of))
        found += [_line_difference(line) for line in lines if line.above == key and _counts(line, there)]
        differences += found
        pairs[key] = Pair(key, wish, have, _mark(wish, have, found))
    return Comparison(pairs, lines, tuple(differences), declared.left_out + real.left_out)


def _is_noise(box: Box) -> bool:
    return box.kind == "loopback"


def _mark(wish: Box | None, have: Box | None, found: list[Difference]) -> Mark:
    if have is None:
        return Mark.MISSING if found else Mark.OTHER
    if any(difference.field in ("present", "absent") for difference in found):
        return Mark.EXTRA
    if found:
        return Mark.DIFFERENT
    return Mark.SAME if wish else Mark.OTHER


def _differences(key: str, wish: Box | None, have: Box | None, unwanted: bool, anything: bool) -> Iterator[Difference]:
    """What differs of one box, its lines aside."""
    if have is None:
        if wish and (wish.runs or not wish.is_guest):
            yield Difference(key, "present", wish.kind, None)
    elif unwanted:
        yield Difference(key, "absent", None, have.kind)
    elif wish is None:
        if anything and (have.kind in MADE or have.is_guest):
            yield Difference(key, "present", None, have.kind)
    elif not wish.named:
        if wish.kind != have.kind and not _fits_any(wish):
            yield Difference(key, "kind", wish.kind, have.kind)
        for fact in FACTS:
            want, has = wish.facts.get(fact), have.facts.get(fact)
            if want is not None and want != has:
                yield Difference(key, fact, want, has)
        yield from _addresses(key, wish, have)


def _fits_any(wish: Box) -> bool:
    """Whether the declaration says nothing of the kind: `link.managed`, `address.present`, a guest."""
    return wish.kind in ("physical", "guest")


def _addresses(key: str, wish: Box, have: Box) -> Iterator[Difference]:
    if wish.addresses is None:
        return
    want, has = set(wish.addresses), set(have.addresses or ())
    for address in sorted(want - has):
        yield Difference(key, "addresses", address, None)
    for address in sorted(has - want) if wish.complete else ():
        if not _is_the_kernels(address):
            yield Difference(key, "addresses", None, address)


def _is_the_kernels(address: str) -> bool:
    """Whether the kernel gives such an address by itself: IPv6 link-local, RFC 4291 section 2.5.6."""
    try:
        return ip_interface(address).ip.is_link_local and ":" in address
    except ValueError:
        return False


def _lines(wanted: Mapping[str, Box], there: Mapping[str, Box]) -> Iterator[Line]:
    for key in dict.fromkeys([*there, *wanted]):
        wish, have = wanted.get(key), there.get(key)
        want = wish.below if wish else None
        has = (have.below if have else None) or {}
        for below in dict.fromkeys([*has, *(want or {})]):
            if below == key or (below not in there and below not in wanted):
                continue
            label = has.get(below, "")
            if below in has and (want is None or below in want):
                yield Line(below, key, Mark.SAME if want is not None else Mark.OTHER, label)
            elif below in has:
                partly = wish is not None and wish.is_guest and not wish.complete
                yield Line(below, key, Mark.OTHER if partly else Mark.EXTRA, label)
            else:
                idle = wish is not None and wish.is_guest and not wish.runs and have is None
                yield Line(below, key, Mark.OTHER if idle else Mark.MISSING, "")


def _counts(line: Line, there: Mapping[str, Box]) -> bool:
    """Whether a line is a difference of its own: that a missing box has no lines is told by the box."""
    return line.mark in (Mark.MISSING, Mark.EXTRA) and line.above in there


def _line_difference(line: Line) -> Difference:
    missing = line.mark is Mark.MISSING
    return Difference(line.above, "on", line.below if missing else None, None if missing else line.below)
