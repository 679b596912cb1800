"""Renders the pillar of one minion: the values that its SLS give it, by the pillar's own top file.

It runs on the master with what a minion says of itself in hand, so templates are sandboxed, grains are data that is
never read as a template, and a minion can't bring an SLS into its pillar that the tree does not give it: see `_inert`
and `_Compiler._include`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pillar.merge import copied, merge_into, nested
from saltern.config import Config
from saltern.context import Context, FileSource
from saltern.errors import SalternError, SourceError, nearest
from saltern.sls.render import Renderer
from saltern.sls.top import top_for
from saltern.sls.tree import Tree
from saltern.sls.yaml_loader import Document, Spot

Compiled = dict[tuple[str, str, str], Any]
_BREAK = re.compile(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_INCLUDE = re.compile(r"""\binclude\b["']?\s*:""")
_DEPTH = 50


def compile_pillar(
    files: FileSource,
    minion_id: str,
    grains: Mapping[str, Any],
    *,
    saltenv: str | None = None,
    override: Mapping[str, Any] | None = None,
    nodegroups: Mapping[str, Any] | None = None,
    compiled: Compiled | None = None,
) -> dict[str, Any]:
    """The pillar of MINION_ID from the pillar tree FILES; only of environment SALTENV where given.

    Mappings are merged at every depth, anything else is replaced by what comes later: SLS in the order of the top file,
    an SLS over what it includes, OVERRIDE over everything. COMPILED keeps the code of templates between calls.
    SourceError with the place for whatever is wrong, even if it is one value of one SLS.
    """
    from saltern.targeting import MinionView

    given = copied(override or {})
    ctx = Context(
        id=minion_id,
        config=Config(id=minion_id),
        grains=_inert(grains),
        pillar=given,
        files=files,
        saltenv=saltenv or "base",
    )
    renderer = Renderer(
        ctx,
        sandboxed=True,
        functions=_functions(ctx),
        globals={"id": minion_id, "minion_id": minion_id, "pillarenv": saltenv},
        compiled=compiled,
    )
    compiler = _Compiler(Tree(files, renderer))
    view = MinionView(minion_id, grains, given)
    result: dict[str, Any] = {}
    for env, names in top_for(compiler.tree, view, nodegroups=nodegroups, saltenv=saltenv).items():
        for name in names:
            merge_into(result, compiler.sls(name, env, None, None, ()))
    merge_into(result, given)
    return result


class _Compiler:
    """The SLS of one compilation. What was rendered without `defaults` is rendered once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._rendered: dict[tuple[str, str], dict[str, Any]] = {}

    def sls(
        self,
        name: str,
        env: str,
        asked: Spot | None,
        defaults: Mapping[str, Any] | None,
        above: tuple[str, ...],
    ) -> dict[str, Any]:
        """The values of SLS NAME over those that it includes. ABOVE: the SLS that led here."""
        if asked and (name in above or len(above) > _DEPTH):
            loop = " → ".join((*above[above.index(name) if name in above else 0 :], name))
            raise asked.error(f"a loop of includes: {loop}", "Remove one of these includes.")
        known = self._rendered.get((env, name))
        if known is not None and defaults is None:
            return known
        document = self._document(name, env, asked, defaults)
        data = {} if document.data is None else document.data
        if not isinstance(data, dict):
            raise document.error(
                f"a pillar SLS is a mapping of names to values, not {_kind(data)}", hint="Write `name: value` lines."
            )
        result: dict[str, Any] = {}
        if "include" in data:
            self._include(document, data, name, env, (*above, name), result)
        merge_into(result, {key: value for key, value in data.items() if key != "include"})
        if defaults is None:
            self._rendered[env, name] = result
        return result

    def _document(self, name: str, env: str, asked: Spot | None, defaults: Mapping[str, Any] | None) -> Document:
        path = self.tree.path(name, env, asked)
        try:
            with open(self.tree.files.local(path, env), encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError as error:
            raise SourceError(f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}", file=path) from None
        except OSError as error:
            raise SourceError(f"can't be read: {error.strerror}", file=path) from None
        return self.tree.renderer.document(text, file=path, saltenv=env, sls=name, context=defaults)

    def _include(
        self,
        document: Document,
        data: dict[str, Any],
        name: str,
        env: str,
        above: tuple[str, ...],
        result: dict[str, Any],
    ) -> None:
        listed = data["include"]
        if not _INCLUDE.search(document.source.text):  # it can only have come out of a value, perhaps a minion's
            raise document.error(
                "an include that is not written in this file came out of its template",
                data,
                "include",
                "Write `include:` in the SLS itself; pass values that may hold anything through `| json`.",
            )
        if not isinstance(listed, list):
            raise document.error("include wants a list", data, "include", "Write `- name`.")
        for number, item in enumerate(listed):
            spot = Spot(document, listed, number)
            wanted, options = _include_item(item, spot)
            for found in self._resolved(wanted, env, name, spot):
                values = self.sls(found, env, spot, options.get("defaults"), above)
                key = options.get("key")
                merge_into(result, nested(str(key), values) if key else values)

    def _resolved(self, wanted: str, env: str, name: str, spot: Spot) -> list[str]:
        if wanted.startswith("."):
            rest = wanted.lstrip(".")
            levels = len(wanted) - len(rest)
            parts = [*name.split("."), *(["init"] if self.tree.is_init(name, env) else [])]
            if levels > len(parts):
                raise spot.error(f"{wanted!r} leads out of the tree: {name} lies {len(parts)} deep")
            wanted = ".".join([*parts[:-levels], *([rest] if rest else [])])
        found = self.tree.matching(wanted, env)
        return [one for one in found if one != name or found == [wanted]]


def _include_item(item: Any, spot: Spot) -> tuple[str, Mapping[str, Any]]:
    """What an item of `include` names, and its options: `name`, or `name: {defaults: {…}, key: a:b}`."""
    if isinstance(item, str) and item:
        return item, {}
    if isinstance(item, dict) and len(item) == 1:
        [(wanted, options)] = item.items()
        if isinstance(wanted, str) and wanted and isinstance(options, dict | None):
            for key in options or {}:
                if key not in ("defaults", "key"):
                    raise spot.error(f"{key!r} is no option of an include.{nearest(str(key), ('defaults', 'key'))}")
            if not isinstance((options or {}).get("defaults") or {}, dict):
                raise spot.error(f"the defaults of {wanted!r} are a mapping of names to values")
            return wanted, options or {}
    raise spot.error(f"include wants names of SLS, not {item!r}", "Write `- name`, or `- name:` with defaults and key.")


def _functions(ctx: Context) -> dict[str, Callable[..., Any]]:
    """What pillar templates may call as `salt[…]`: what looks things up in grains and the given pillar, no more."""
    from functools import partial

    from modules import grains, pillar

    offered: dict[str, Callable[..., Any]] = {
        "grains.get": grains.get,
        "grains.item": grains.item,
        "grains.items": grains.items,
        "grains.filter_by": grains.filter_by,
        "grains.has_value": grains.has_value,
        "grains.equals": grains.equals,
        "pillar.get": pillar.get,
    }
    return {name: partial(function, ctx) for name, function in offered.items()}


def _inert(grains: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A copy of GRAINS for templates, in which a text with line breaks can't be used.

    An SLS writes a grain into YAML as it is, so a line break in one would let a minion write lines of the SLS.
    """
    return {key: _inert_value(value, f"{path}{key}") for key, value in grains.items()}


def _inert_value(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return _refused(path) if _BREAK.search(value) else value
    if isinstance(value, Mapping):
        return _inert(value, path + ":")
    if isinstance(value, list | tuple):
        return [_inert_value(item, f"{path}:{number}") for number, item in enumerate(value)]
    return value


def _refused(path: str) -> Any:
    from jinja2 import StrictUndefined

    return StrictUndefined(hint=f"the grain {path!r} has a line break, so pillar can't use it", name=path)


def _kind(data: object) -> str:
    return "a list" if isinstance(data, list) else "a single value"


def explained(minion_id: str, error: SalternError) -> str:
    """What the user reads of an ERROR in the pillar of MINION_ID."""
    return f"the pillar of {minion_id} can't be rendered:\n{error}"
