"""Files of the state tree, on the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modules import _safe
from saltern.context import Context, iter_under, split_uri
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading
from saltern.runner import Returned


class NoSuchSource(PermanentError):
    """A file is not in the state tree."""


@reading
def list_master(ctx: Context, saltenv: str = "base", prefix: str = "") -> list[str]:
    """The paths of the environment SALTENV that begin with PREFIX, sorted."""
    return [path for path in ctx.files.list(saltenv) if path.startswith(prefix)]


@reading
def list_master_dirs(ctx: Context, saltenv: str = "base", prefix: str = "") -> list[str]:
    """The directories of the environment SALTENV that begin with PREFIX, sorted."""
    found = {
        "/".join(parts[:n]) for parts in (p.split("/") for p in ctx.files.list(saltenv)) for n in range(1, len(parts))
    }
    return sorted(path for path in found if path.startswith(prefix))


@reading
def list_states(ctx: Context, saltenv: str = "base") -> list[str]:
    """The SLS names of the environment SALTENV (`net/init.sls` is `net`), sorted."""
    names = (path.removesuffix(".sls") for path in ctx.files.list(saltenv) if path.endswith(".sls"))
    return sorted(name.removesuffix("/init").replace("/", ".") for name in names)


@reading
def hash_file(ctx: Context, path: str, saltenv: str = "base") -> dict[str, str]:
    """The digest of the file `salt://PATH`: {"hsum": SHA-256 in hex, "hash_type": "sha256"}."""
    name, env = _parts(path, saltenv)
    digest = ctx.files.digest(name, env)
    if digest is None:
        raise _missing(ctx, name, env)
    return {"hsum": digest, "hash_type": "sha256"}


@reading
def cache_file(ctx: Context, path: str, saltenv: str = "base") -> str | Returned:
    """Bring the file `salt://PATH` to the node, where it is not here yet; the path of the verified copy. Where there is
    no such file, an empty text, as templates of formulas expect (and exit code 1)."""
    try:
        return local_copy(ctx, path, saltenv)
    except NoSuchSource as error:
        import logging

        logging.getLogger(__name__).info("cp.cache_file: %s", error)
        return Returned("", 1)


def local_copy(ctx: Context, path: str, saltenv: str = "base") -> str:
    """The path of the verified copy of the file `salt://PATH` on this node. NoSuchSource where there is none."""
    name, env = _parts(path, saltenv)
    try:
        return str(ctx.files.local(name, env))
    except FileNotFoundError:
        raise _missing(ctx, name, env) from None


@reading
def get_file_str(ctx: Context, path: str, saltenv: str = "base") -> str:
    """The text of the file `salt://PATH` (UTF-8, other bytes replaced)."""
    with open(local_copy(ctx, path, saltenv), "rb") as file:
        return file.read().decode("utf-8", "replace")


@acting
def get_file(ctx: Context, path: str, dest: str, saltenv: str = "base", makedirs: bool = False) -> str:
    """Copy the file `salt://PATH` to DEST on the node; MAKEDIRS makes the directories above it. DEST."""
    local = local_copy(ctx, path, saltenv)
    target = _safe.absolute(dest)
    try:
        if makedirs:
            _safe.make_folders(target.rpartition("/")[0] or "/")
        _safe.copy(target, local)
    except OSError as error:
        raise PermanentError(f"can't write {dest}: {error.strerror}") from None
    return target


@reading
def cache_files(ctx: Context, paths: str | Sequence[str], saltenv: str = "base") -> list[str]:
    """Bring the files PATHS (a list, or a text with commas) to the node in one batch: the paths of their copies."""
    listed = paths.split(",") if isinstance(paths, str) else list(paths)
    _fetch(ctx, [_parts(path.strip(), saltenv) for path in listed])
    return [local_copy(ctx, path.strip(), saltenv) for path in listed]


@reading
def cache_dir(
    ctx: Context, path: str, saltenv: str = "base", include_pat: str | None = None, exclude_pat: str | None = None
) -> list[str]:
    """Bring all files below the directory `salt://PATH` to the node; INCLUDE_PAT and EXCLUDE_PAT are globs, or regular
    expressions as `E@…`. The paths of their copies."""
    wanted = [
        (name, env)
        for name, env in _below(ctx, path, saltenv)
        if (include_pat is None or _fits(name, include_pat)) and (exclude_pat is None or not _fits(name, exclude_pat))
    ]
    _fetch(ctx, wanted)
    return [str(ctx.files.local(name, env)) for name, env in wanted]


@reading
def cache_master(ctx: Context, saltenv: str = "base") -> list[str]:
    """Bring all files of the environment SALTENV to the node: the paths of their copies."""
    wanted = [(name, saltenv) for name in ctx.files.list(saltenv)]
    _fetch(ctx, wanted)
    return [str(ctx.files.local(*one)) for one in wanted]


@reading
def envs(ctx: Context) -> list[str]:
    """The environments of the tree."""
    return list(ctx.files.environments())


@reading
def stat_file(ctx: Context, path: str, saltenv: str = "base", octal: bool = True) -> str | int:
    """The mode of the file `salt://PATH` in the tree, as octal digits or, with OCTAL False, as a number."""
    name, env = _parts(path, saltenv)
    try:
        mode = ctx.files.mode(name, env)
    except FileNotFoundError:
        raise _missing(ctx, name, env) from None
    return f"{mode:04o}" if octal else mode


@acting
def get_dir(ctx: Context, path: str, dest: str, saltenv: str = "base") -> list[str]:
    """Copy the directory `salt://PATH` with all below it into the directory DEST: the paths that were written."""
    found = _below(ctx, path, saltenv)
    _fetch(ctx, found)
    above = _parts(path, saltenv)[0].rpartition("/")[0]
    skip = len(above) + 1 if above else 0
    return [get_file(ctx, f"salt://{name}", f"{dest}/{name[skip:]}", env, makedirs=True) for name, env in found]


@acting
def get_template(
    ctx: Context,
    path: str,
    dest: str,
    template: str = "jinja",
    saltenv: str = "base",
    makedirs: bool = False,
    context: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> str:
    """Render the file `salt://PATH` by TEMPLATE (jinja) with the names of CONTEXT and KWARGS, and write it to DEST;
    MAKEDIRS makes the directories above it. DEST."""
    from saltern.sls.render import render_template

    if template != "jinja":
        raise PermanentError(f"cp.get_template renders jinja, not {template!r}")
    name, env = _parts(path, saltenv)
    names = {**(context or {}), **kwargs}
    text = render_template(get_file_str(ctx, path, saltenv), place=name, context=names, ctx=ctx, saltenv=env)
    target = _safe.absolute(dest)
    try:
        if makedirs:
            _safe.make_folders(target.rpartition("/")[0] or "/")
        _safe.write(target, [text.encode()])
    except OSError as error:
        raise PermanentError(f"can't write {dest}: {error.strerror}") from None
    return target


@reading
def get_url(ctx: Context, path: str, dest: str = "", saltenv: str = "base", makedirs: bool = False) -> str:
    """As `cp.cache_file`; with DEST as `cp.get_file`. PATH is salt://… (what lies elsewhere is for `file.managed`)."""
    if not path.startswith("salt://"):
        raise NoSuchSource(f"cp.get_url takes files of the tree (salt://…), not {path!r}")
    return get_file(ctx, path, dest, saltenv, makedirs) if dest else local_copy(ctx, path, saltenv)


def _below(ctx: Context, path: str, saltenv: str) -> list[tuple[str, str]]:
    """The files below the directory PATH of the tree."""
    name, env = _parts(path.rstrip("/"), saltenv)
    found = [(one, env) for one in iter_under(ctx.files, name, env)]
    if not found:
        raise NoSuchSource(f"there is no directory salt://{name} in the environment {env!r}")
    return found


def _fetch(ctx: Context, files: Iterable[tuple[str, str]]) -> None:
    by_env: dict[str, list[str]] = {}
    for name, env in files:
        if ctx.files.digest(name, env) is None:
            raise _missing(ctx, name, env)
        by_env.setdefault(env, []).append(name)
    for env, names in by_env.items():
        ctx.files.fetch(tuple(dict.fromkeys(names)), env)


def _fits(path: str, pattern: str) -> bool:
    """Whether PATTERN, a glob or `E@` and a regular expression, matches PATH."""
    from fnmatch import fnmatchcase

    if not pattern.startswith("E@"):
        return fnmatchcase(path, pattern)
    import re

    try:
        return re.search(pattern[2:], path) is not None
    except re.error as error:
        raise PermanentError(f"not a regular expression: {pattern[2:]!r}: {error}") from None


def _parts(path: str, saltenv: str) -> tuple[str, str]:
    try:
        return split_uri(path if "://" in path else f"salt://{path}", saltenv)
    except ValueError as error:
        raise NoSuchSource(str(error)) from None


def _missing(ctx: Context, path: str, env: str) -> Any:
    return NoSuchSource(
        f"there is no file salt://{path} in the environment {env!r}.{nearest(path, ctx.files.list(env))}"
    )
