"""A user's snippets of domain XML: what is refused, what counts as there, and how one is put in."""

from __future__ import annotations

import pytest

from modules._virt import domain_xml as xml
from modules._virt.domain_xml import DomainError
from modules._virt.xml import at, parse, written

DOMAIN = (
    "<domain type='kvm'><name>a</name><features><acpi/></features><devices><emulator>/q</emulator></devices></domain>"
)


@pytest.mark.parametrize("given", ["text", "<a/>tail", "<name>x</name>", "<memory>1</memory>", "<a", "<uuid/>"])
def test_a_snippet_is_an_element_that_no_argument_says(given: str) -> None:
    with pytest.raises(DomainError):
        xml.snippets(given)


def test_snippets_may_come_as_a_whole_domain_a_list_or_side_by_side() -> None:
    whole = xml.snippets("<domain><a/><b/></domain>")
    assert [one.tag for one in whole] == ["a", "b"]
    assert [one.tag for one in xml.snippets(["<a/>", "<b/>"])] == ["a", "b"]
    assert [one.tag for one in xml.snippets("<a/><b/>")] == ["a", "b"]


@pytest.mark.parametrize(
    ("snippet", "there"),
    [
        ("<features><acpi/></features>", True),
        ("<features><apic/></features>", False),
        ("<devices><emulator>/q</emulator></devices>", True),
        ("<devices><emulator>/other</emulator></devices>", False),
        ("<devices><emulator a='1'>/q</emulator></devices>", False),
        ("<devices><emulator/><emulator/></devices>", False),
    ],
)
def test_what_libvirt_adds_does_not_count_and_what_is_declared_does(snippet: str, there: bool) -> None:
    assert xml.has(parse(DOMAIN), parse(snippet)) is there


@pytest.mark.parametrize(
    "snippet",
    [
        "<devices><watchdog model='i6300esb'/></devices>",
        "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices>",
        "<devices><channel type='unix'/><channel type='pty'/></devices>",
        "<features><acpi/><hyperv mode='custom'/></features>",
        "<memoryBacking><hugepages/></memoryBacking>",
        "<iothreads>2</iothreads>",
        "<os><bootmenu enable='yes'/></os>",
    ],
)
def test_a_snippet_is_there_once_it_was_put_in_and_a_second_time_changes_nothing(snippet: str) -> None:
    root, piece = parse(DOMAIN), parse(snippet)
    xml.merge(root, piece)
    assert xml.has(root, piece)
    once = written(root)
    xml.merge(root, piece)
    assert written(root) == once
    assert at(root, "devices/emulator") == "/q"


def test_the_same_structure_has_one_text() -> None:
    one, other = parse("<a y='1' x='2'>\n <b/>\n</a>"), parse("<a x='2' y='1'><b></b></a>")
    assert xml.canonical(one) == xml.canonical(other)
