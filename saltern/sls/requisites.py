"""Requisites: reads them, turns the `_in` forms round, copies for `use`, and makes sure that each names something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from saltern.errors import SourceError, nearest
from saltern.sls.chunk import Chunk
from saltern.sls.declaration import Argument
from saltern.sls.high import High
from saltern.sls.keywords import AFTER, BEFORE, REQUISITES_IN
from saltern.sls.low import Requisite
from saltern.sls.problems import Problems
from saltern.sls.yaml_loader import Spot

_GLOB = frozenset("*?[")
Edge = tuple[int, int]  # what runs before, what runs after: positions in the list of chunks


class Index:
    """Finds chunks by what a requisite says of them."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.chunks = chunks
        self.by_sls: dict[str, list[int]] = {}
        self._by_ref: dict[tuple[str, str], list[int]] = {}
        for number, chunk in enumerate(chunks):
            self.by_sls.setdefault(chunk.declaration.sls, []).append(number)
            for ref in {chunk.id, chunk.name}:
                self._by_ref.setdefault((chunk.module, ref), []).append(number)
                self._by_ref.setdefault(("id", ref), []).append(number)

    def find(self, module: str, ref: str) -> list[int]:
        """The chunks that `MODULE: REF` means, in the order of the tree."""
        if module == "sls":
            if _GLOB.isdisjoint(ref):
                return self.by_sls.get(ref, [])
            return [n for sls, members in self.by_sls.items() if fnmatchcase(sls, ref) for n in members]
        exact = self._by_ref.get((module, ref))
        if exact is not None or _GLOB.isdisjoint(ref):
            return exact or []
        found: dict[int, None] = {}
        for (space, known), members in self._by_ref.items():
            if space == module and fnmatchcase(known, ref):
                found.update(dict.fromkeys(members))
        return sorted(found)

    def refs(self, module: str) -> Iterator[str]:
        """What a requisite on MODULE may name."""
        if module == "sls":
            yield from self.by_sls
        yield from (ref for space, ref in self._by_ref if space == module)

    def modules(self) -> set[str]:
        """The namespaces that any chunk is of."""
        return {space for space, _ in self._by_ref}


def connect(chunks: list[Chunk], high: High, problems: Problems) -> list[Edge]:
    """Fill in the requisites of CHUNKS; the pairs that say which runs before which."""
    if not any(chunk.raw for chunk in chunks):
        return []
    index = Index(chunks)
    empty_sls = {sls for _, sls in high.read} - set(index.by_sls)
    _turn_round(chunks, index, high, problems)
    _use(chunks, index, high, problems)
    edges: dict[Edge, None] = {}
    for number, chunk in enumerate(chunks):
        if not chunk.raw and not chunk.turned:
            continue
        own = [read for argument in chunk.raw for read in _read(argument, problems)]
        for requisite, spot in [*own, *chunk.turned]:
            found = index.find(requisite.module, requisite.ref)
            if not found:
                if requisite.module != "sls" or requisite.ref not in empty_sls:
                    problems.add(_missing(requisite, spot, index, high))
                continue
            wide = requisite.module == "sls" or not _GLOB.isdisjoint(requisite.ref)
            # what means several states means the others; what means only the state itself is a circle
            others = [other for other in found if other != number] or ([] if wide else found)
            by_name = requisite.module == "id" and any(chunks[other].id != requisite.ref for other in others)
            chunk.requisites += _exact(requisite, others, index) if wide or by_name else [requisite]
            for other in others:
                if requisite.kind in AFTER:
                    edges[(other, number)] = None
                elif requisite.kind in BEFORE:
                    edges[(number, other)] = None
    return list(edges)


def _read(argument: Argument, problems: Problems) -> list[tuple[Requisite, Spot]]:
    """The requisites that an argument lists."""
    return [
        (Requisite(argument.name, module, ref, spot.place), spot) for module, ref, spot in _items(argument, problems)
    ]


def _items(argument: Argument, problems: Problems) -> Iterator[tuple[str, str, Spot]]:
    """Each (module, ref) that an argument lists, with where it stands."""
    listed, document = argument.value, argument.document
    if not isinstance(listed, list):
        hint = f"Write it as\n- {argument.name}:\n  - NAMESPACE: id"
        problems.add(argument.error(f"{argument.name} wants a list of requisites, not {listed!r}", hint))
        return
    for number, item in enumerate(listed):
        if isinstance(item, dict) and item:
            for module, ref in item.items():
                if not isinstance(module, str) or isinstance(ref, dict | list) or ref is None:
                    message = f"{argument.name} wants `NAMESPACE: id`, not {module}: {ref!r}"
                    problems.add(document.error(message, item, module))
                elif "." in module:
                    hint = f"Write `- {module.partition('.')[0]}: {ref}`."
                    message = f"a requisite names the namespace of a state, not its function {module!r}"
                    problems.add(document.error(message, item, module, hint))
                else:
                    yield module, str(ref), Spot(document, item, module)
        elif isinstance(item, str | int) and not isinstance(item, bool):
            yield "id", str(item), Spot(document, listed, number)
        else:
            message = f"{argument.name} wants `- NAMESPACE: id` or `- id`, not {item!r}"
            problems.add(document.error(message, listed, number))


def _turn_round(chunks: list[Chunk], index: Index, high: High, problems: Problems) -> None:
    """Give each `require_in` (and the like) of one state to the states that it names, as their `require`."""
    for chunk in chunks:
        inward = [argument for argument in chunk.raw if argument.name in REQUISITES_IN]
        if not inward:
            continue
        chunk.raw = [argument for argument in chunk.raw if argument.name not in REQUISITES_IN]
        for argument in inward:
            kind = argument.name.removesuffix("_in")
            for module, ref, spot in _items(argument, problems):
                targets = [index.chunks[number] for number in index.find(module, ref)]
                wide = module == "sls" or not _GLOB.isdisjoint(ref)
                targets = [target for target in targets if not (wide and target is chunk)]
                if not targets and not wide:
                    problems.add(_missing(Requisite(argument.name, module, ref, spot.place), spot, index, high))
                turned = Requisite(kind, chunk.module, chunk.id, spot.place)
                for target in targets:
                    if not any(_same(turned, known) for known, _ in target.turned):
                        target.turned.append((turned, spot))


def _same(one: Requisite, other: Requisite) -> bool:
    return (one.kind, one.module, one.ref) == (other.kind, other.module, other.ref)


def _use(chunks: list[Chunk], index: Index, high: High, problems: Problems) -> None:
    """Copy the arguments of what a `use` names, where the state has none itself: not `name`, not requisites."""
    copies = []
    for chunk in chunks:
        listed = [argument for argument in chunk.raw if argument.name == "use"]
        used = [read for argument in listed for read in _read(argument, problems)]
        used += [(requisite, spot) for requisite, spot in chunk.turned if requisite.kind == "use"]
        if not used:
            continue
        chunk.raw = [argument for argument in chunk.raw if argument.name != "use"]
        chunk.turned = [(requisite, spot) for requisite, spot in chunk.turned if requisite.kind != "use"]
        for requisite, spot in used:
            found = index.find(requisite.module, requisite.ref)
            if not found:
                problems.add(_missing(requisite, spot, index, high))
            copies += [(chunk, dict(index.chunks[n].args), dict(index.chunks[n].options), n) for n in found]
    for chunk, args, options, number in copies:
        notes = index.chunks[number].notes
        for mine, theirs in ((chunk.args, args), (chunk.options, options)):
            for name, value in theirs.items():
                if name not in mine and name != "order":
                    mine[name] = value
                    chunk.notes.setdefault(name, notes[name])


def _exact(requisite: Requisite, found: Iterable[int], index: Index) -> list[Requisite]:
    """A requisite by glob as one requisite for each state (or SLS) that it means."""
    if requisite.module == "sls":
        names = dict.fromkeys(index.chunks[number].declaration.sls for number in found)
        return [Requisite(requisite.kind, "sls", name, requisite.place) for name in names]
    targets = dict.fromkeys((index.chunks[number].module, index.chunks[number].id) for number in found)
    return [Requisite(requisite.kind, module, ref, requisite.place) for module, ref in targets]


def _missing(requisite: Requisite, spot: Spot, index: Index, high: High) -> SourceError:
    """What to say of a requisite that names nothing."""
    module, ref = requisite.module, requisite.ref
    shown = ref if module == "id" else f"{module}: {ref}"
    message = f"{requisite.kind} names {shown!r}, which no state is."
    hint = ""
    if ref in high.excluded:
        message, hint = f"{requisite.kind} names {shown!r}, which is excluded.", f"See {high.excluded[ref]}."
    else:
        elsewhere = index.find("id", ref)
        near = nearest(ref, index.refs(module))
        if module not in ("sls", "id") and elsewhere:
            others = sorted({index.chunks[number].module for number in elsewhere})
            hint = f"There is {' and '.join(f'{other}: {ref}' for other in others)}."
        elif near:
            message += near
        elif module == "sls":
            hint = "Is it included?"
        elif module not in index.modules():
            message += nearest(module, index.modules())
    return spot.error(message, hint)
