"""What the files that states name lack: a `salt://` source that is not in the tree, a template that does not render."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from saltern.context import iter_under, split_uri
from saltern.converge.around import Peers
from saltern.converge.requisites import Links
from saltern.errors import SourceError, nearest
from saltern.sls.accumulated import gathered
from saltern.sls.low import Low
from saltern.sls.tree import Tree

_MOST = 50  # files of a folder that are rendered


def missing_sources(tree: Tree, lows: Iterable[Low]) -> Iterator[SourceError]:
    """The `salt://` files that states name and that are not in the tree. A folder counts as one; of a list, one file
    is enough."""
    for low in lows:
        for argument, value in low.args.items():
            listed = value if isinstance(value, list | tuple) else [value]
            if not listed or not all(isinstance(item, str) and item.startswith("salt://") for item in listed):
                continue
            messages = [_missing(tree, item, low.saltenv) for item in listed]
            if all(messages):
                place = low.arg_places.get(argument, low.place)
                message = messages[0] if len(messages) == 1 else f"none of these files is there: {', '.join(listed)}"
                yield SourceError(message or "", file=place.file, line=place.line, column=place.column)


def broken_templates(tree: Tree, lows: Sequence[Low]) -> Iterator[SourceError]:
    """What does not render of the files and contents that states give out as templates, with the context of each."""
    peers = Peers(lows, Links(lows))
    for position, low in enumerate(lows):
        if low.args.get("template") != "jinja":
            continue
        context = {**_mapping(low.args.get("defaults")), **_mapping(low.args.get("context"))}
        if texts := gathered(peers, position):
            context["accumulator"] = texts
        for text, file, saltenv in _texts(tree, low):
            try:
                tree.renderer.template(text, file=file, saltenv=saltenv, context=context)
            except SourceError as error:
                yield error


def _texts(tree: Tree, low: Low) -> Iterator[tuple[str, str, str]]:
    """The templates of LOW as (text, file, environment)."""
    contents = low.args.get("contents")
    if isinstance(contents, str):
        place = low.arg_places.get("contents", low.place)
        yield contents, f"{place} (contents)", low.saltenv
    given = low.args.get("source")
    for source in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(source, str) or not source.startswith("salt://") or _missing(tree, source, low.saltenv):
            continue
        path, env = split_uri(source, low.saltenv)
        known = tree.files.list(env)
        for one in [path] if path in known else list(iter_under(tree.files, path, env))[:_MOST]:
            try:
                with open(tree.files.local(one, env), encoding="utf-8") as file:
                    yield file.read(), one, env
            except UnicodeDecodeError:
                continue
        return


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _missing(tree: Tree, uri: str, saltenv: str) -> str | None:
    try:
        path, env = split_uri(uri, saltenv)
    except ValueError as error:
        return str(error)
    known = tree.files.list(env) if env in tree.files.environments() else ()
    folder = path.rstrip("/") + "/"
    if path in known or any(other.startswith(folder) for other in known):
        return None
    return f"there is no file {path!r} in environment {env!r}.{nearest(path, known)}"
