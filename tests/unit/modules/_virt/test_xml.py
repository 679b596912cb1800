"""XML trees: what is refused, and that a text stays what it was."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._virt import xml
from modules._virt.xml import BadXml


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
    with pytest.raises(BadXml, match=why):
        xml.parse(text)


def test_namespaces_survive_reading_and_writing() -> None:
    space = "http://libvirt.org/schemas/domain/qemu/1.0"
    text = f"<d xmlns:q='{space}'><q:commandline a='1'><q:arg value='-x'/></q:commandline></d>"
    again = xml.parse(xml.written(xml.parse(text)))
    tag = f"{{{space}}}"
    assert [one.tag for one in again.iter()] == ["d", f"{tag}commandline", f"{tag}arg"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿"), min_size=1))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    root = xml.parse("<domain/>")
    xml.put(root, "title", text, a=text)
    again = xml.parse(xml.written(root))
    assert (again[0].text, again[0].get("a")) == (text, text)


@given(st.text())
def test_no_text_makes_the_parser_fail_otherwise_than_with_its_own_error(text: str) -> None:
    with suppress(BadXml):
        xml.parse(text)
