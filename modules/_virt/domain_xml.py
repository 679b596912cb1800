"""A user's pieces of domain XML: checked, held against a domain, and put into it.

libvirt adds defaults, addresses and aliases to what it is given, so two documents are never compared as texts: what a
user declares is looked for in the tree, and all the rest is libvirt's.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from modules._virt.xml import BadXml, drop, parse, written
from saltern.errors import PermanentError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

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


def snippets(given: str | Sequence[str]) -> tuple[Element, ...]:
    """The user's pieces of domain XML, each an element that belongs right below <domain>. DomainError where one is not,
    or says what an argument says."""
    found: list[Element] = []
    for text in [given] if isinstance(given, str) else given:
        try:
            root = parse(text if text.lstrip().startswith("<domain") else f"<domain>{text}</domain>", "xml")
        except BadXml as error:
            raise DomainError(str(error)) from None
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
    copy = deepcopy(snippet)
    for one in copy.iter():
        one.tail = None
        one.text = (one.text or "").strip() or None
        one.attrib = dict(sorted(one.attrib.items()))
    return written(copy)


def _several(parent: Element, tag: str) -> bool:
    return len(parent.findall(tag)) > 1


def _replace_or_add(target: Element, child: Element) -> None:
    """Of <features> there is one of each name; of <devices> any number."""
    if target.tag == "features":
        drop(target, child.tag)
    target.append(deepcopy(child))
