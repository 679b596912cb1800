"""XML trees that libvirt gives and takes: parsed without entities, looked up, changed and written.

XML is never made of pasted text: a text of a user's can become an element's text or an attribute, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from saltern.errors import PermanentError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_CHARS = 1 << 20


class BadXml(PermanentError, ValueError):
    """A text is no XML that is accepted, or a value has no form in XML."""


def parse(text: str, what: str = "XML") -> Element:
    """TEXT as a tree. BadXml, beginning with WHAT, where it is no XML, has a document type or entities of its own, or
    is very long: such things make a small text into a large tree, or read files."""
    from xml.etree import ElementTree
    from xml.parsers import expat

    if len(text) > MAX_CHARS:
        raise BadXml(f"{what}: longer than {MAX_CHARS} characters")
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise BadXml(f"{what}: a document type and entities are refused (<!DOCTYPE, <!ENTITY)")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda tag, found: builder.start(
        _qualified(tag), {_qualified(key): value for key, value in found.items()}
    )
    parser.EndElementHandler = lambda tag: builder.end(_qualified(tag))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise BadXml(f"{what}: not well-formed XML: {error}") from None
    return builder.close()


def _qualified(name: str) -> str:
    """expat's "namespace}tag" as ElementTree has it, "{namespace}tag"."""
    return "{" + name if "}" in name else name


def written(root: Element) -> str:
    """ROOT as text. BadXml for a control character, for which XML has no form (XML 1.0, 2.2)."""
    from xml.etree import ElementTree

    text = ElementTree.tostring(root, encoding="unicode")
    if any(ord(char) < 32 and char not in "\t\n\r" for char in text):
        raise BadXml("a control character can't be written into XML")
    return text


def made(tag: str, text: str | None = None, /, **attributes: str | None) -> Element:
    """A new element; an attribute that is None is left out."""
    from xml.etree import ElementTree

    found = ElementTree.Element(tag, {name: value for name, value in attributes.items() if value is not None})
    found.text = text
    return found


def at(root: Element, path: str, attribute: str | None = None) -> str | None:
    """The text of the element at PATH without blanks around it, or its ATTRIBUTE; None where there is none."""
    found = root.find(path)
    if found is None:
        return None
    return found.get(attribute) if attribute else (found.text or "").strip() or None


def ensure(root: Element, path: str) -> Element:
    """The element at PATH ("os/type"), made where it is missing."""
    from xml.etree import ElementTree

    for tag in path.split("/"):
        found = root.find(tag)
        root = found if found is not None else ElementTree.SubElement(root, tag)
    return root


def put(root: Element, path: str, text: str | None = None, **attributes: str | None) -> Element:
    """Give the element at PATH this TEXT and these ATTRIBUTES; an attribute that is None is taken away."""
    found = ensure(root, path)
    if text is not None:
        found.text = text
    for name, value in attributes.items():
        if value is None:
            found.attrib.pop(name, None)
        else:
            found.set(name, value)
    return found


def drop(root: Element, path: str) -> None:
    """Take all elements at PATH away."""
    parent_path, _, tag = path.rpartition("/")
    parent = root.find(parent_path) if parent_path else root
    if parent is not None:
        for child in parent.findall(tag):
            parent.remove(child)


def replace(parent: Element, tag: str, new: Iterable[Element]) -> None:
    """Put NEW in the place of all elements TAG directly below PARENT."""
    drop(parent, tag)
    parent.extend(new)
