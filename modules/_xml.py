"""Small helpers on XML trees that libvirt gives and takes: only by elements and attributes, never by pasting texts."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable

Element = ET.Element


def parsed(text: str) -> Element:
    """The root of TEXT, which comes from libvirt itself."""
    return ET.fromstring(text)  # noqa: S314 - libvirt's own, never a user's


def written(root: Element) -> str:
    """ROOT as text for libvirt. A control character, for which XML has no form, is a ValueError."""
    text = ET.tostring(root, encoding="unicode")
    if any(ord(char) < 32 and char not in "\t\n\r" for char in text):
        raise ValueError("a control character can't be written into XML")
    return text


def child(parent: Element, path: str) -> Element:
    """The element at PATH ("source/dir") below PARENT; what is missing of it is made."""
    for tag in path.split("/"):
        found = parent.find(tag)
        parent = ET.SubElement(parent, tag) if found is None else found
    return parent


def text_of(parent: Element, path: str) -> str | None:
    """The text of the element at PATH, None where there is none."""
    found = parent.find(path)
    return found.text.strip() if found is not None and found.text and found.text.strip() else None


def attribute(parent: Element, path: str, name: str) -> str | None:
    """The attribute NAME of the element at PATH, None where either is missing."""
    found = parent.find(path)
    return found.get(name) if found is not None else None


def replace(parent: Element, tag: str, new: Iterable[Element]) -> None:
    """Put NEW in the place of all elements TAG directly below PARENT."""
    for old in parent.findall(tag):
        parent.remove(old)
    parent.extend(new)


def made(tag: str, text: str | None = None, /, **attributes: str | None) -> Element:
    """An element; an attribute that is None is left out."""
    found = ET.Element(tag, {name: value for name, value in attributes.items() if value is not None})
    found.text = text
    return found
