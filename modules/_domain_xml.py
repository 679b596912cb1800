"""A domain's XML as a tree: parsed without entities, looked up, and a user's snippets held against it and put into it.

XML is never made of pasted text. libvirt adds defaults, addresses and aliases to what it is given, so two documents are
never compared as texts: what a user declares is looked for in the tree, and all the rest is libvirt's.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from saltern.errors import PermanentError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_CHARS = 1 << 20
LISTS = frozenset({"devices", "features", "metadata"})  # parents whose children are a list: a new one is added
OWN = {
    "name": "the state's name",
    "uuid": "nothing: it stays what it is",
    "memory": "max_memory",
    "currentMemory": "memory",
    "vcpu": "vcpus and max_vcpus",
    "metadata": "metadata",
    "title": "title",
    "description": "description",
}


class DomainError(PermanentError):
    """What is said of a guest can't be: the message says which argument and why."""


def parse(text: str, what: str = "XML") -> Element:
    """TEXT as a tree. DomainError, beginning with WHAT, where it is no XML, has a document type or entities of its own,
    or is very long: such things make a small text into a large tree, or read files."""
    from xml.etree import ElementTree
    from xml.parsers import expat

    if len(text) > MAX_CHARS:
        raise DomainError(f"{what}: longer than {MAX_CHARS} characters")
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise DomainError(f"{what}: a document type and entities are refused (<!DOCTYPE, <!ENTITY)")

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
        raise DomainError(f"{what}: not well-formed XML: {error}") from None
    return builder.close()


def _qualified(name: str) -> str:
    """expat's "namespace}tag" as ElementTree has it, "{namespace}tag"."""
    return "{" + name if "}" in name else name


def text_of(root: Element) -> str:
    """The tree as text, indented."""
    from xml.etree import ElementTree

    copy = deepcopy(root)
    ElementTree.indent(copy)
    return ElementTree.tostring(copy, encoding="unicode")


def at(root: Element, path: str, attribute: str | None = None) -> str | None:
    """The text of the element at PATH, or its ATTRIBUTE; None where there is none."""
    found = root.find(path)
    if found is None:
        return None
    return found.get(attribute) if attribute else (found.text or "").strip()


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
        key = name.rstrip("_")
        if value is None:
            found.attrib.pop(key, None)
        else:
            found.set(key, value)
    return found


def drop(root: Element, path: str) -> None:
    """Take all elements at PATH away."""
    parent_path, _, tag = path.rpartition("/")
    parent = root.find(parent_path) if parent_path else root
    for child in list(parent.findall(tag)) if parent is not None else []:
        parent.remove(child)  # type: ignore[union-attr]


def snippets(given: str | Sequence[str]) -> tuple[Element, ...]:
    """The user's pieces of domain XML, each an element that belongs right below <domain>. DomainError where one is not,
    or says what an argument says."""
    found: list[Element] = []
    for text in [given] if isinstance(given, str) else given:
        root = parse(f"<domain>{text}</domain>", "xml") if not text.lstrip().startswith("<domain") else parse(text)
        if (root.text or "").strip() or any((child.tail or "").strip() for child in root):
            raise DomainError(f"xml: elements are wanted, not bare text: {text[:80]!r}")
        found += root
    for one in found:
        if one.tag in OWN:
            raise DomainError(f"xml: <{one.tag}> is not said here, but by {OWN[one.tag]}")
    return tuple(found)


def contains(actual: Element, wanted: Element) -> bool:
    """Whether ACTUAL has all that WANTED says: tag, attributes, text, and for each child one of its own that contains
    it. What ACTUAL has beside that does not count. Two equal children of WANTED want two of ACTUAL."""
    if actual.tag != wanted.tag or any(actual.get(key) != value for key, value in wanted.attrib.items()):
        return False
    if (wanted.text or "").strip() and (actual.text or "").strip() != (wanted.text or "").strip():
        return False
    left = list(actual)
    for child in wanted:
        match = next((one for one in left if contains(one, child)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def has(root: Element, snippet: Element) -> bool:
    """Whether the domain ROOT has SNIPPET, which belongs right below it."""
    return any(contains(child, snippet) for child in root)


def merge(root: Element, snippet: Element) -> None:
    """Put SNIPPET below ROOT. Of the children of a list (<devices>, <features>) each is added unless it is there; any
    other element becomes one with that of the same tag: its attributes and text are set, its children merged."""
    target = root.find(snippet.tag)
    if target is None:
        root.append(deepcopy(snippet))
        return
    target.attrib.update(snippet.attrib)
    if (snippet.text or "").strip():
        target.text = snippet.text
    for child in snippet:
        if snippet.tag in LISTS or _several(snippet, child.tag):
            if not any(contains(one, child) for one in target):
                _replace_or_add(target, child)
        else:
            merge(target, child)


def canonical(snippet: Element) -> str:
    """SNIPPET as text that is the same for the same structure: no indentation, attributes sorted."""
    from xml.etree import ElementTree

    copy = deepcopy(snippet)
    for one in copy.iter():
        one.tail = None
        one.text = (one.text or "").strip() or None
        one.attrib = dict(sorted(one.attrib.items()))
    return ElementTree.tostring(copy, encoding="unicode")


def _several(parent: Element, tag: str) -> bool:
    return len(parent.findall(tag)) > 1


def _replace_or_add(target: Element, child: Element) -> None:
    """Of <features> there is one of each name; of <devices> any number."""
    if target.tag == "features":
        drop(target, child.tag)
    target.append(deepcopy(child))
