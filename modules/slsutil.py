"""What templates use to merge, render and write data."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from saltern import merging
from saltern.context import Context
from saltern.errors import PermanentError, UsageError, nearest
from saltern.marks import reading


class SlsUtilError(PermanentError):
    """Data that can't be merged, read or written."""


@reading
def merge(obj_a: Any, obj_b: Any, strategy: str = "smart", renderer: str = "yaml", merge_lists: bool = False) -> Any:
    """OBJ_B laid over OBJ_A by STRATEGY: smart and recurse (mappings are joined at every depth), aggregate (lists are
    appended too), overwrite (the keys at the top). RENDERER is taken for Salt's sake and has no effect."""
    return merging.merge(obj_a, obj_b, strategy, merge_lists=merge_lists)


@reading
def merge_all(lst: Sequence[Any], strategy: str = "smart", renderer: str = "yaml", merge_lists: bool = False) -> Any:
    """The members of LST laid over each other, the last on top; see `slsutil.merge`."""
    result: Any = {}
    for member in lst:
        result = merging.merge(result, member, strategy, merge_lists=merge_lists)
    return result


@reading
def update(
    dest: Any, upd: Mapping[Any, Any], recursive_update: bool = True, merge_lists: bool = False
) -> dict[Any, Any]:
    """DEST with UPD laid over it, at every depth unless RECURSIVE_UPDATE is False. DEST itself is changed where it is a
    plain mapping of the template's own."""
    if not isinstance(dest, Mapping) or not isinstance(upd, Mapping):
        raise SlsUtilError("slsutil.update wants two mappings")
    target = dest if isinstance(dest, dict) else merging.deepcopied(dest)
    merging.update(target, upd, recursive=recursive_update, merge_lists=merge_lists)
    return target


@reading
def renderer(
    ctx: Context,
    path: str | None = None,
    string: str | None = None,
    default_renderer: str = "jinja|yaml",
    **kwargs: Any,
) -> Any:
    """What the file PATH (salt://… or of the node) or the text STRING renders to. Its first line may name renderers,
    else DEFAULT_RENDERER does; KWARGS are further names for the template."""
    from saltern.sls.render import RENDERERS, renderer_of

    if (path is None) == (string is None):
        raise SlsUtilError("slsutil.renderer wants a path, or a string")
    pipeline = default_renderer.split("|")
    for name in pipeline:
        if name not in RENDERERS:
            raise UsageError(f"there is no renderer {name!r}.{nearest(name, RENDERERS)}")
    file, text = ("<string>", string or "") if path is None else _text_of(ctx, path)
    found = renderer_of(ctx).document(text, file=file, saltenv=ctx.saltenv, context=kwargs, default=pipeline)
    return found.data


def _text_of(ctx: Context, path: str) -> tuple[str, str]:
    from modules import cp

    if path.startswith("salt://"):
        return path.removeprefix("salt://").partition("?")[0], cp.text_of(ctx, path)
    try:
        with open(path, encoding="utf-8") as file:
            return path, file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SlsUtilError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None


@reading
def serialize(serializer: str, obj: Any, **mod_kwargs: Any) -> str:
    """OBJ as a text: SERIALIZER is yaml, json, python or configparser; MOD_KWARGS are its options (json:
    indent, sort_keys)."""
    return str(_of(_WRITERS, serializer, "write")(obj, mod_kwargs))


@reading
def deserialize(serializer: str, stream_or_string: str, **mod_kwargs: Any) -> Any:
    """The data that the text STREAM_OR_STRING holds: SERIALIZER is yaml, json, toml, configparser or python
    (literals)."""
    try:
        return _of(_READERS, serializer, "read")(stream_or_string)
    except (ValueError, SyntaxError) as error:
        raise SlsUtilError(f"not {serializer}: {error}") from None


@reading
def banner(
    width: int = 72,
    commentchar: str = "#",
    borderchar: str = "#",
    blockstart: str | None = None,
    blockend: str | None = None,
    title: str | None = None,
    text: str | None = None,
    newline: bool = False,
) -> str:
    """A comment for the head of a managed file, WIDTH columns wide: TITLE in its middle and TEXT below, in a box of
    BORDERCHAR, each line after COMMENTCHAR (or all between BLOCKSTART and BLOCKEND)."""
    title = "THIS FILE IS MANAGED BY SALTERN - DO NOT EDIT" if title is None else title
    if text is None:
        text = "The contents of this file are managed. Any changes to this file may be overwritten automatically."
    inner = width - 2 * len(commentchar) - 2
    if inner < 1 or not borderchar:
        raise SlsUtilError(f"a banner of {width} columns has no room, or no border")
    border = f"{commentchar}{(borderchar * width)[: width - 2 * len(commentchar)]}{commentchar}"
    rows = [f"{commentchar} {line.center(inner)} {commentchar}" for line in textwrap.wrap(title, inner)]
    below = [f"{commentchar} {line.ljust(inner)} {commentchar}" for line in textwrap.wrap(text, inner)]
    blank = [f"{commentchar} {' ' * inner} {commentchar}"] if rows and below else []
    lines = [border, *rows, *blank, *below, border]
    lines = [*([blockstart] if blockstart else []), *lines, *([blockend] if blockend else [])]
    return "\n".join(lines) + ("\n" if newline else "")


@reading
def boolstr(value: Any, true: Any = "true", false: Any = "false") -> Any:
    """TRUE where VALUE is true, else FALSE: for files that write yes/no, on/off."""
    if isinstance(value, str):
        value = value.strip().lower() in ("true", "yes", "on", "y", "1")
    return true if value else false


@reading
def file_exists(ctx: Context, path: str, saltenv: str = "base") -> bool:
    """Whether the tree has the file PATH."""
    return path.removeprefix("salt://").strip("/") in ctx.files.list(saltenv)


@reading
def dir_exists(ctx: Context, path: str, saltenv: str = "base") -> bool:
    """Whether the tree has the directory PATH."""
    folder = path.removeprefix("salt://").strip("/") + "/"
    return any(one.startswith(folder) for one in ctx.files.list(saltenv))


@reading
def path_exists(ctx: Context, path: str, saltenv: str = "base") -> bool:
    """Whether the tree has a file or directory PATH."""
    return file_exists(ctx, path, saltenv) or dir_exists(ctx, path, saltenv)


@reading
def findup(ctx: Context, startpath: str, filenames: str | Sequence[str], saltenv: str = "base") -> str:
    """The first of FILENAMES in the directory STARTPATH of the tree, or in the nearest one above it."""
    names = [filenames] if isinstance(filenames, str) else list(filenames)
    known = set(ctx.files.list(saltenv))
    parts = [part for part in startpath.removeprefix("salt://").split("/") if part not in ("", ".")]
    for depth in range(len(parts), -1, -1):
        for name in names:
            path = "/".join([*parts[:depth], name])
            if path in known:
                return path
    raise SlsUtilError(f"none of {', '.join(names)} is in {startpath!r} or above it")


def _of(table: Mapping[str, Any], name: str, verb: str) -> Callable[..., Any]:
    if name not in table:
        raise UsageError(f"there is no way to {verb} {name!r}.{nearest(name, table)} There are {', '.join(table)}.")
    found: Callable[..., Any] = table[name]
    return found


def _to_yaml(obj: Any, options: Mapping[str, Any]) -> str:
    import yaml

    wanted = {"default_flow_style": False, "sort_keys": False, "allow_unicode": True, **options}
    try:
        text: str = yaml.safe_dump(merging.deepcopied(obj), **wanted)
    except (yaml.YAMLError, TypeError) as error:
        raise SlsUtilError(f"this can't be written as YAML: {error}") from None
    return text.removesuffix("\n").removesuffix("\n...")


def _to_json(obj: Any, options: Mapping[str, Any]) -> str:
    try:
        return json.dumps(merging.deepcopied(obj), ensure_ascii=False, **options)
    except (TypeError, ValueError) as error:
        raise SlsUtilError(f"this can't be written as JSON: {error}") from None


def _to_python(obj: Any, options: Mapping[str, Any]) -> str:
    import pprint

    return pprint.pformat(merging.deepcopied(obj), **options)


def _from_yaml(text: str) -> Any:
    from saltern.sls.source import Source
    from saltern.sls.yaml_loader import load

    return load(Source("<string>", text)).data


def _from_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _to_ini(obj: Any, options: Mapping[str, Any]) -> str:
    import configparser
    import io

    parser = configparser.RawConfigParser(interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    text = io.StringIO()
    try:
        parser.read_dict(merging.deepcopied(obj))
        parser.write(text, **options)
    except (configparser.Error, TypeError, ValueError, AttributeError) as error:
        raise SlsUtilError(f"this can't be written as sections of an INI file: {error}") from None
    return text.getvalue().rstrip("\n")


def _from_ini(text: str) -> dict[str, dict[str, Any]]:
    import configparser

    parser = configparser.RawConfigParser(interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error)) from None
    return {section: dict(parser[section]) for section in parser.sections()}


_WRITERS = {"yaml": _to_yaml, "json": _to_json, "python": _to_python, "configparser": _to_ini}
_READERS = {
    "yaml": _from_yaml,
    "json": json.loads,
    "toml": _from_toml,
    "python": ast.literal_eval,
    "configparser": _from_ini,
}
