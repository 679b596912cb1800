"""Domain XML as a tree: what is refused, what counts as there, and how a user's snippet is put in."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import _domain_xml as xml
from modules._domain_xml import DomainError

DOMAIN = (
    "<domain type='kvm'><name>a</name><features><acpi/></features><devices><emulator>/q</emulator></devices></domain>"
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "document type"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/shadow'><a/>", "document type"),
        ("<a>&unknown;</a>", "not well-formed"),
        ("<a><b></a>", "not well-formed"),
        ("<a/><b/>", "not well-formed"),
        ("", "not well-formed"),
        ("<a>" + "x" * (1 << 20) + "</a>", "longer"),
    ],
)
def test_what_is_no_plain_xml_is_refused(text: str, why: str) -> None:
    with pytest.raises(DomainError, match=why):
        xml.parse(text)


def test_namespaces_survive_reading_and_writing() -> None:
    space = "http://libvirt.org/schemas/domain/qemu/1.0"
    text = f"<d xmlns:q='{space}'><q:commandline a='1'><q:arg value='-x'/></q:commandline></d>"
    again = xml.parse(xml.text_of(xml.parse(text)))
    tag = f"{{{space}}}"
    assert [one.tag for one in again.iter()] == ["d", f"{tag}commandline", f"{tag}arg"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿"), min_size=1))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    root = xml.parse("<domain/>")
    xml.put(root, "title", text, a=text)
    again = xml.parse(xml.text_of(root))
    assert (again[0].text, again[0].get("a")) == (text, text)


@given(st.text())
def test_no_text_makes_the_parser_fail_otherwise_than_with_its_own_error(text: str) -> None:
    with suppress(DomainError):
        xml.parse(text)


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
    assert xml.has(xml.parse(DOMAIN), xml.parse(snippet)) is there


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
    root, piece = xml.parse(DOMAIN), xml.parse(snippet)
    xml.merge(root, piece)
    assert xml.has(root, piece)
    once = xml.text_of(root)
    xml.merge(root, piece)
    assert xml.text_of(root) == once
    assert xml.at(root, "devices/emulator") == "/q"


def test_the_same_structure_has_one_text() -> None:
    one, other = xml.parse("<a y='1' x='2'>\n <b/>\n</a>"), xml.parse("<a x='2' y='1'><b></b></a>")
    assert xml.canonical(one) == xml.canonical(other)
