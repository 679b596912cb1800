"""Turns what a user wrote (`#!jinja|yaml` and other pipelines) into data, and templates into text.

Whatever goes wrong is a SourceError with the file and line of what was written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from saltern.context import Context
from saltern.errors import nearest
from saltern.secret import Secret
from saltern.sls.functions import Function, Functions, Log
from saltern.sls.source import Source
from saltern.sls.stand_ins import SecretKey, StandIns
from saltern.sls.yaml_loader import Document, load

DEFAULT_PIPELINE = ("jinja", "yaml")
RENDERERS = ("jinja", "json", "py", "text", "yaml")
_MARKS = re.compile(r"\{[{%#]")


class Renderer:
    """Renders for one job. Compiled templates are kept, so the same template is compiled once per run.

    SANDBOXED (pillar, on the master): templates can't call what acts, and the `py` renderer is refused. MAY_ACT: else
    whether they can. FUNCTIONS, where given, is what `salt` offers instead of the execution functions. GLOBALS are
    further names for every template. COMPILED, where given, keeps the code of templates for several renderers (their
    code alone: what a template made of one job's names is never seen by another).
    """

    def __init__(
        self,
        ctx: Context,
        *,
        sandboxed: bool = False,
        may_act: bool = True,
        functions: Mapping[str, Function] | None = None,
        globals: Mapping[str, Any] | None = None,
        compiled: dict[tuple[str, str, str], Any] | None = None,
    ) -> None:
        self.ctx, self.sandboxed = ctx, sandboxed
        self.sources: dict[str, str] = {}
        self.undefined: Any = None  # the class of values that are missing, where it is not the one that is an error
        self._functions = Functions(ctx, functions, may_act=may_act and not sandboxed)
        self._extra = dict(globals or {})
        self._fixed: dict[str, Any] | None = None
        self._environments: dict[str, Any] = {}
        self.stand_ins = None if sandboxed else StandIns()
        self._compiled: dict[tuple[str, str, str], Any] = {} if compiled is None else compiled

    def document(
        self,
        text: str,
        *,
        file: str,
        saltenv: str,
        sls: str = "",
        context: Mapping[str, Any] | None = None,
        default: Sequence[str] = DEFAULT_PIPELINE,
    ) -> Document:
        """The data that TEXT, the file FILE of the tree, stands for, with the positions of its parts."""
        pipeline, text = _pipeline(text, file, default)
        if self.stand_ins is None:
            return self._parsed(pipeline, text, file, saltenv, sls, context)
        with self.stand_ins.parsing(True):
            document = self._parsed(pipeline, text, file, saltenv, sls, context)
        try:
            document.data = self.stand_ins.put_back(document.data)
        except SecretKey as error:
            raise document.error(str(error)) from None
        return document

    def _parsed(
        self,
        pipeline: Sequence[str],
        text: str,
        file: str,
        saltenv: str,
        sls: str,
        context: Mapping[str, Any] | None,
    ) -> Document:
        source = Source(file, text)
        for renderer in pipeline:
            if renderer == "jinja":
                source = self.template(text, file=file, saltenv=saltenv, sls=sls, context=context)
            elif renderer == "yaml":
                return load(source)
            elif renderer == "json":
                return _load_json(source)
            elif renderer == "py":
                return self._python(source, saltenv, sls)
        return Document(source.rendered, source, {})

    def template(
        self, text: str, *, file: str, saltenv: str, sls: str = "", context: Mapping[str, Any] | None = None
    ) -> Source:
        """TEXT rendered by Jinja, as a Source that knows the way back. A text without marks is left as it is."""
        if not _MARKS.search(text):
            return Source(file, text)
        from saltern.sls import template

        code = self.compile(text, file=file, saltenv=saltenv)
        names = {**self.names(saltenv), **_tree_names(file, saltenv, sls)}
        if not self.sandboxed:  # where a master keeps its pillar is nobody's business
            names["tplpath"] = self._path(file, saltenv)
        names.update(context or {})
        return template.rendered(self._environment(saltenv), code, text, file, names, self.sources)

    def compile(self, text: str, *, file: str, saltenv: str) -> Any:
        """The code of the template TEXT, the file FILE of the tree. SourceError where it is no Jinja."""
        from saltern.sls import template

        key = (saltenv, file, text)
        self.sources[file] = text
        if key not in self._compiled:
            self._compiled[key] = template.compiled(self._environment(saltenv), text, file, self.sources)
        return self._compiled[key]

    def names(self, saltenv: str) -> dict[str, Any]:
        """The names that every template knows."""
        if self._fixed is None:
            self._fixed = {
                "salt": self._functions,
                "grains": self.ctx.grains,
                "pillar": self.ctx.pillar,
                "opts": _options(self.ctx),
                "log": Log(),
                **self._extra,
            }
        return {**self._fixed, "saltenv": saltenv, "env": saltenv}

    def _environment(self, saltenv: str) -> Any:
        if saltenv not in self._environments:
            from saltern.sls.environment import TemplateEnvironment, TreeLoader

            loader = TreeLoader(self.ctx.files, saltenv, self.sources)
            self._environments[saltenv] = TemplateEnvironment(
                loader, on_node=not self.sandboxed, stand_ins=self.stand_ins
            )
            self._environments[saltenv].undefined = self.undefined or self._environments[saltenv].undefined
        return self._environments[saltenv]

    def _path(self, file: str, saltenv: str) -> str:
        """Where FILE lies on this node; FILE itself where it is none of the tree."""
        try:
            return str(self.ctx.files.local(file, saltenv))
        except (FileNotFoundError, ValueError):
            return file

    def _python(self, source: Source, saltenv: str, sls: str) -> Document:
        if self.sandboxed:
            raise source.error("the renderer py runs any code, so it is not allowed here", 0, 0, "Use #!jinja|yaml.")
        from saltern.sls.py_renderer import run

        names = {**self.names(saltenv), **_tree_names(source.file, saltenv, sls)}
        return Document(run(source, names), source, {})


def renderer_of(ctx: Context) -> Renderer:
    """The renderer of the job CTX, made once and kept in `ctx.extra`."""
    kept = ctx.extra.get("renderer")
    if isinstance(kept, Renderer) and kept.ctx is ctx:
        return kept
    made = Renderer(ctx)
    if isinstance(ctx.extra, MutableMapping):
        ctx.extra["renderer"] = made
    return made


def render_sls(text: str, *, place: str, ctx: Context, saltenv: str, sls: str = "") -> Any:
    """The data of an SLS: TEXT is the file PLACE of environment SALTENV. SourceError says what is wrong and where."""
    return renderer_of(ctx).document(text, file=place, saltenv=saltenv, sls=sls).data


def render_file(text: str, *, place: str, context: Mapping[str, Any], ctx: Context, saltenv: str) -> str | Secret:
    """As `render_template`, for what may hold secrets: then the whole is one."""
    renderer = renderer_of(ctx)
    if renderer.stand_ins is None:
        return renderer.template(text, file=place, saltenv=saltenv, context=context).rendered
    with renderer.stand_ins.parsing(False):
        return renderer.stand_ins.hide(renderer.template(text, file=place, saltenv=saltenv, context=context).rendered)


def render_template(text: str, *, place: str, context: Mapping[str, Any], ctx: Context, saltenv: str) -> str:
    """TEXT, the template PLACE ("web/nginx.conf.j2"), with the names of CONTEXT beside Salt's own, as text.
    SourceError where it would write out a secret."""
    made = render_file(text, place=place, context=context, ctx=ctx, saltenv=saltenv)
    if isinstance(made, Secret):
        raise Source(place, text).error(
            "this template writes out a secret, which is only possible where a whole file is managed",
            hint="Use file.managed or file.recurse.",
        )
    return made


def _pipeline(text: str, file: str, default: Sequence[str]) -> tuple[Sequence[str], str]:
    """The renderers that the first line names (else DEFAULT), and TEXT with that line blanked."""
    first, newline, rest = text.partition("\n")
    if not first.startswith("#!") or first.startswith("#!/"):
        return default, text
    names = [(part.split() or [""])[0] for part in first[2:].split("|")]  # behind a name: what Salt would tell it
    for name in names:
        if name not in RENDERERS:
            column = first.find(name, 2) if name else 2
            raise Source(file, text).error(
                f"there is no renderer {name!r}.{nearest(name, RENDERERS)}",
                0,
                column,
                f"There are {', '.join(RENDERERS)}; #!jinja|yaml is the default.",
            )
    for name in names[:-1]:
        if name != "jinja":
            raise Source(file, text).error(f"nothing can follow the renderer {name}", 0, first.find(name, 2))
    return names, newline + rest


def _tree_names(file: str, saltenv: str, sls: str) -> dict[str, Any]:
    """Salt's names for where a template lies: FILE is its path in the tree, SLS its dotted name."""
    folder = posixpath.dirname(file)
    names = {
        "tplfile": file,
        "tplpath": file,
        "tpldir": folder or ".",
        "tpldot": folder.replace("/", "."),
        "saltenv": saltenv,
    }
    if not sls:
        return names
    return {
        **names,
        "sls": sls,
        "slspath": folder,
        "slsdotpath": folder.replace("/", "."),
        "slscolonpath": folder.replace("/", ":"),
        "sls_path": folder.replace("/", "_"),
    }


def _options(ctx: Context) -> dict[str, Any]:
    """What templates call `opts`: the settings, by Salt's names."""
    from dataclasses import fields

    config = ctx.config
    values = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "master_key"}
    values.update(values.pop("module_options", None) or {})
    values.update(id=ctx.id, saltenv=ctx.saltenv, test=ctx.test, root_dir=str(config.root), grains=ctx.grains)
    values.update(root=str(config.root), pillarenv=config.pillarenv or None)
    values.setdefault("pillar", ctx.pillar)
    return values


def _load_json(source: Source) -> Document:
    import json

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(found)
        if len(data) < len(found):
            twice = next(key for number, (key, _) in enumerate(found) if key in dict(found[:number]))
            raise source.error(f"the key {twice!r} stands twice in one mapping", None)
        return data

    try:
        data = json.loads(source.rendered, object_pairs_hook=pairs) if source.rendered.strip() else None
    except json.JSONDecodeError as error:
        raise source.error(f"not JSON: {error.msg}", error.lineno - 1, error.colno - 1) from None
    except RecursionError:
        raise source.error("not JSON: nested too deep", 0, 0) from None
    return Document(data, source, {})
