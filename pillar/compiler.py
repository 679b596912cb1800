"""Renders the pillar of one minion: the values that its SLS give it, by the pillar's own top file.

It runs on the master with what a minion says of itself in hand, so templates are sandboxed, grains are data that is
never read as a template, and a minion can't bring an SLS into its pillar that the tree does not give it: see `_inert`
and `SlsCompiler._include`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pillar.merge import merge_into, nested
from pillar.sealed import MARK, Opener, opened
from saltern.config import Config
from saltern.context import Context, FileSource
from saltern.errors import PermanentError, SalternError, SourceError, nearest
from saltern.merging import checked_strategy, deepcopied
from saltern.sls.problems import Problems
from saltern.sls.render import Renderer
from saltern.sls.top import top_for
from saltern.sls.tree import Tree
from saltern.sls.yaml_loader import Document, Spot

Compiled = dict[tuple[str, str, str], Any]
_BREAK = re.compile(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_INCLUDE = re.compile(r"""\binclude\b["']?\s*:""")
_DEPTH = 50
_MOST = 5000  # SLS of one pillar, each counted as often as it is rendered


def compile_pillar(
    files: FileSource,
    minion_id: str,
    grains: Mapping[str, Any],
    *,
    saltenv: str | None = None,
    override: Mapping[str, Any] | None = None,
    nodegroups: Mapping[str, Any] | None = None,
    compiled: Compiled | None = None,
    strategy: str = "smart",
    merge_lists: bool = False,
    external: Sequence[Mapping[str, Any] | FileSource] = (),
    external_first: bool = False,
    opener: Opener | None = None,
) -> dict[str, Any]:
    """The pillar of MINION_ID from the pillar tree FILES; only of environment SALTENV where given.

    Values are merged by STRATEGY (`pillar_source_merging_strategy`; MERGE_LISTS: `pillar_merge_lists`): SLS in the
    order of the top file, an SLS over what it includes, EXTERNAL (values, or further trees with top files of their own)
    over them or, where EXTERNAL_FIRST, below them and seen by their templates; OVERRIDE over everything. By `none` only
    one environment counts, `base` unless SALTENV is given. OPENER opens sealed values. COMPILED keeps the code of
    templates between calls. SourceError (SourceErrors for several) with the place for whatever is wrong, even if it is
    one value of one SLS.
    """
    checked_strategy(strategy)
    _check_environment(saltenv, [files, *(one for one in external if not isinstance(one, Mapping))])
    if strategy == "none":
        saltenv = saltenv or "base"
    merging = Merging(strategy, merge_lists)
    given = deepcopied(override or {})
    result: dict[str, Any] = {}

    def tree(source: FileSource, seen: Mapping[str, Any]) -> None:
        of = Minion(minion_id, grains, seen, saltenv, nodegroups, opener)
        merging.lay(result, _tree_values(source, of, merging, compiled))

    def externals() -> None:
        for one in external:
            if isinstance(one, Mapping):
                merging.lay(result, one)
            else:
                tree(one, given)

    if external_first:
        externals()
        seen = deepcopied(result)
        merging.lay(seen, given)
        tree(files, seen)
    else:
        tree(files, given)
        externals()
    merging.lay(result, given)
    return result


def _check_environment(saltenv: str | None, trees: Sequence[FileSource]) -> None:
    """PermanentError where none of TREES has the environment that is asked for."""
    known = {env for tree in trees for env in tree.environments()} if saltenv else set()
    if saltenv and saltenv not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise PermanentError(f"no pillar has an environment {saltenv!r}: there is {listed}.{nearest(saltenv, known)}")


class Merging(NamedTuple):
    """How values are laid over each other."""

    strategy: str
    merge_lists: bool

    def lay(self, below: dict[Any, Any], above: Mapping[Any, Any]) -> None:
        """ABOVE over BELOW, in place."""
        merge_into(below, above, self.strategy, merge_lists=self.merge_lists)


class Minion(NamedTuple):
    """Whose pillar it is: PILLAR is what templates see of it."""

    id: str
    grains: Mapping[str, Any]
    pillar: Mapping[str, Any]
    saltenv: str | None
    nodegroups: Mapping[str, Any] | None
    opener: Opener | None


def _tree_values(files: FileSource, of: Minion, merging: Merging, compiled: Compiled | None) -> dict[str, Any]:
    """What the top file of FILES gives the minion OF."""
    from saltern.targeting import MinionView

    compiler = SlsCompiler(Tree(files, renderer_for(files, of, compiled)), of, merging)
    view = MinionView(of.id, of.grains, of.pillar)
    result: dict[str, Any] = {}
    problems = Problems()
    for env, names in top_for(compiler.tree, view, nodegroups=of.nodegroups, saltenv=of.saltenv).items():
        for name in names:
            try:
                merging.lay(result, compiler.sls(name, env, None, None, ()))
            except SourceError as error:  # what is wrong with the next is told too
                problems.add(error)
    problems.check()
    return result


def renderer_for(files: FileSource, of: Minion, compiled: Compiled | None) -> Renderer:
    """What renders the pillar of the minion OF from FILES."""
    ctx = Context(
        id=of.id,
        config=Config(id=of.id, module_options={"nodegroups": of.nodegroups or {}}),
        grains=_inert(of.grains),
        pillar=of.pillar,
        files=files,
        saltenv=of.saltenv or "base",
    )
    return Renderer(
        ctx,
        sandboxed=True,
        functions=_functions(ctx),
        globals={"id": of.id, "minion_id": of.id, "pillarenv": of.saltenv},
        compiled=compiled,
    )


class SlsCompiler:
    """The SLS of one compilation. What was rendered without `defaults` is rendered once."""

    def __init__(self, tree: Tree, of: Minion, merging: Merging) -> None:
        self.tree, self._of, self._merging = tree, of, merging
        self._rendered: dict[tuple[str, str], dict[str, Any]] = {}
        self._count = 0

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
        self._count += 1
        if asked and self._count > _MOST:
            raise asked.error(f"more than {_MOST} SLS are included: is there an end?", "Include fewer with `defaults`.")
        document = self._document(name, env, asked, defaults)
        data = {} if document.data is None else document.data
        if not isinstance(data, dict):
            raise document.error(
                f"a pillar SLS is a mapping of names to values, not {_kind(data)}", hint="Write `name: value` lines."
            )
        result: dict[str, Any] = {}
        if "include" in data:
            self._include(document, data, name, env, (*above, name), result)
        self._merging.lay(result, {key: value for key, value in self.opened(document).items() if key != "include"})
        if defaults is None:
            self._rendered[env, name] = result
        return result

    def opened(self, document: Document) -> dict[str, Any]:
        """The data of DOCUMENT, a mapping, with its sealed values opened."""
        data = document.data or {}
        if MARK not in document.source.rendered:
            return dict(data)

        def fail(message: str, holder: Any, key: Any) -> SalternError:
            return document.error(message, holder, key)

        texts = [document.source.text, *self.tree.renderer.sources.values()]
        found: dict[str, Any] = opened(data, self._of.id, self._of.opener, fail, texts)
        return found

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
                self._merging.lay(result, nested(str(key), values) if key else values)

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


_OFFERED = {  # what looks things up in grains and the given pillar, or reckons; nothing that reads or touches a machine
    "config": ("get",),
    "defaults": ("deepcopy", "merge", "update"),
    "grains": ("equals", "fetch", "filter_by", "get", "has_value", "item", "items"),
    "match": ("compound", "filter_by", "glob", "grain", "grain_pcre", "ipcidr", "list", "nodegroup", "pcre", "pillar"),
    "pillar": ("fetch", "filter_by", "get", "item", "keys"),
    "random": ("hash", "sample", "seed", "shuffle"),
    "slsutil": ("banner", "boolstr", "deserialize", "merge", "merge_all", "serialize", "update"),
    "test": ("echo",),
}


def _functions(ctx: Context) -> dict[str, Callable[..., Any]]:
    """What pillar templates may call as `salt[…]`."""
    return {
        f"{space}.{name}": partial(_called, f"{space}.{name}", ctx)
        for space, names in _OFFERED.items()
        for name in names
    }


def _called(full_name: str, ctx: Context, *args: Any, **kwargs: Any) -> Any:
    """What the execution function FULL_NAME returns; it is looked up when a template calls it."""
    from saltern.loader import find
    from saltern.runner import check_arguments

    function = find(full_name)
    shape = check_arguments(full_name, function, args, kwargs)
    return function(ctx, *args, **kwargs) if shape.wants_ctx else function(*args, **kwargs)


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
