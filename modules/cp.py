"""Files of the state tree, on the node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from modules._file import safe
from saltern.context import Context, iter_under, split_uri
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading
from saltern.runner import Returned


class NoSuchSource(PermanentError):
    """A file is not in the state tree."""


class BadSource(PermanentError):
    """A name that no file can have."""


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
    """The digest of the file `salt://PATH`, or a file of the node: {"hsum": SHA-256 in hex, "hash_type": "sha256"}."""
    if path.startswith(("/", "file://")):
        from modules import file

        return {"hsum": file.get_hash(path.removeprefix("file://")), "hash_type": "sha256"}
    name, env = _parts(path, saltenv)
    digest = ctx.files.digest(name, env)
    if digest is None:
        raise _missing(ctx, name, env)
    return {"hsum": digest, "hash_type": "sha256"}


@reading
def cache_file(ctx: Context, path: str, saltenv: str = "base", source_hash: str | None = None) -> str | Returned:
    """Bring the file PATH (`salt://…`, or as `cp.get_url`) to the node, where it is not here yet; the path of the
    verified copy. Where there is no such file, an empty text, as templates of formulas expect (and exit code 1)."""
    try:
        return _brought(ctx, path, saltenv, source_hash)[0]
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
def get_file_str(ctx: Context, path: str, saltenv: str = "base") -> str | Returned:
    """The text of the file `salt://PATH` (UTF-8, other bytes replaced). Where there is no such file, False, as
    templates of formulas expect (and exit code 1)."""
    try:
        return text_of(ctx, path, saltenv)
    except NoSuchSource as error:
        import logging

        logging.getLogger(__name__).info("cp.get_file_str: %s", error)
        return Returned(False, 1)


def text_of(ctx: Context, path: str, saltenv: str = "base") -> str:
    """The text of the file `salt://PATH`. NoSuchSource where there is none."""
    with open(local_copy(ctx, path, saltenv), "rb") as file:
        return file.read().decode("utf-8", "replace")


@acting
def get_file(
    ctx: Context,
    path: str,
    dest: str,
    saltenv: str = "base",
    makedirs: bool = False,
    template: str | None = None,
    gzip: int | None = None,
) -> str:
    """Copy the file `salt://PATH` to DEST on the node (into it, where it is a directory); MAKEDIRS makes the
    directories above it. TEMPLATE (jinja) renders the names PATH and DEST first. GZIP is taken, for Salt's sake. Gives
    DEST."""
    if template is not None:
        path, dest = _rendered(ctx, template, path), _rendered(ctx, template, dest)
    name, env = _parts(path, saltenv)
    try:
        own = ctx.files.hand_over(name, env)
    except FileNotFoundError:
        raise _missing(ctx, name, env) from None
    if own is None:
        return _copied(local_copy(ctx, path, saltenv), dest, name, makedirs)
    try:
        return _copied(str(own), dest, name, makedirs, put=safe.move)
    finally:
        own.unlink(missing_ok=True)


def _copied(local: str, dest: str, name: str, makedirs: bool, put: Callable[[str, str], None] = safe.copy) -> str:
    """DEST, after the file LOCAL was PUT there; where it is a directory, under the last part of NAME in it."""
    target = safe.absolute(dest)
    if dest.endswith("/") or os.path.isdir(target):
        target = f"{target}/{name.rpartition('/')[2]}"
    try:
        if makedirs:
            safe.make_folders(target.rpartition("/")[0] or "/")
        put(target, local)
    except OSError as error:
        raise PermanentError(f"can't write {dest}: {error.strerror}") from None
    return target


def _rendered(ctx: Context, template: str, name: str) -> str:
    """NAME, a path, as a TEMPLATE."""
    from saltern.sls.render import render_template

    if template != "jinja":
        raise PermanentError(f"paths are rendered by jinja, not {template!r}")
    return render_template(name, place=name, context={}, ctx=ctx, saltenv=ctx.saltenv)


@reading
def cache_files(ctx: Context, paths: str | Sequence[str], saltenv: str = "base") -> list[str]:
    """Bring the files PATHS (a list, or a text with commas) to the node in one batch: the paths of their copies."""
    listed = paths.split(",") if isinstance(paths, str) else list(paths)
    _fetch(ctx, [_parts(path.strip(), saltenv) for path in listed])
    return [local_copy(ctx, path.strip(), saltenv) for path in listed]


@reading
def cache_dir(
    ctx: Context,
    path: str,
    saltenv: str = "base",
    include_empty: bool = False,
    include_pat: str | None = None,
    exclude_pat: str | None = None,
) -> list[str]:
    """Bring all files below the directory `salt://PATH` to the node; INCLUDE_PAT and EXCLUDE_PAT are globs, or regular
    expressions as `E@…`. The paths of their copies. INCLUDE_EMPTY is taken for Salt's sake: a tree has files alone."""
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
def get_dir(
    ctx: Context,
    path: str,
    dest: str,
    saltenv: str = "base",
    template: str | None = None,
    gzip: int | None = None,
) -> list[str]:
    """Copy the directory `salt://PATH` with all below it into the directory DEST: the paths that were written. TEMPLATE
    and GZIP as `cp.get_file`."""
    if template is not None:
        path, dest = _rendered(ctx, template, path), _rendered(ctx, template, dest)
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
    text = render_template(text_of(ctx, path, saltenv), place=name, context=names, ctx=ctx, saltenv=env)
    target = safe.absolute(dest)
    try:
        if makedirs:
            safe.make_folders(target.rpartition("/")[0] or "/")
        safe.write(target, [text.encode()])
    except OSError as error:
        raise PermanentError(f"can't write {dest}: {error.strerror}") from None
    return target


@reading
def get_url(
    ctx: Context,
    path: str,
    dest: str | None = "",
    saltenv: str = "base",
    makedirs: bool = False,
    source_hash: str | None = None,
) -> str:
    """The path of a copy of PATH on the node: salt://…, http(s)://…, file://… or an absolute path; with DEST it is
    copied there, MAKEDIRS as `cp.get_file`, and with DEST None its text is returned. http:// needs SOURCE_HASH
    (sha256:…)."""
    local, name = _brought(ctx, path, saltenv, source_hash)
    if dest is None:
        with open(local, "rb") as file:
            return file.read().decode("utf-8", "replace")
    return put_copy(local, dest, name, makedirs) if dest else local


@acting
def put_copy(local: str, dest: str, name: str, makedirs: bool = False) -> str:
    """Copy the file LOCAL of the node to DEST (into it, under NAME, where it is a directory). DEST."""
    return _copied(local, dest, name, makedirs)


@reading
def is_cached(ctx: Context, path: str, saltenv: str = "base") -> str:
    """The path of the copy of `salt://PATH` on the node, "" where there is no such file. What the tree has is brought
    here when it is asked for, so this is `cp.cache_file` without its exit code."""
    try:
        return local_copy(ctx, path, saltenv)
    except NoSuchSource:
        return ""


@acting
def cache_local_file(ctx: Context, path: str) -> str:
    """Keep a copy of the file PATH of the node below ROOT/var/cache/saltern/localfiles, to be found again: its path."""
    source = safe.absolute(path)
    if not os.path.isfile(source):
        raise NoSuchSource(f"there is no file {path}")
    return _copied(source, f"{ctx.config.root / 'var/cache/saltern/localfiles'}{source}", source, makedirs=True)


@reading
def list_minion(ctx: Context, saltenv: str = "base") -> list[str]:
    """The files that are kept below ROOT/var/cache/saltern: by `cp.cache_local_file`, from URLs, and old ones."""
    top = ctx.config.root / "var/cache/saltern"
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names)


@reading
def cache_dest(ctx: Context, url: str, saltenv: str = "base") -> str:
    """Where the file URL (`salt://…`) lies on the node; as `cp.cache_file`."""
    return local_copy(ctx, url, saltenv)


def _brought(ctx: Context, path: str, saltenv: str, source_hash: str | None) -> tuple[str, str]:
    """Where the file that PATH names lies on the node, and its name."""
    if path.startswith(("http://", "https://")):
        from modules import _download

        wanted = _download.sum_of(source_hash) if source_hash else None
        if source_hash and wanted is None:
            raise PermanentError(f"not a checksum: {source_hash!r}; write sha256:… with 64 hex digits")
        _download.check_url(path, wanted, verify=False)
        return _download.cached(ctx, path, wanted), path.partition("?")[0].rstrip("/")
    if path.startswith(("file://", "/")):
        local = safe.absolute(path.removeprefix("file://"))
        if not os.path.isfile(local):
            raise NoSuchSource(f"there is no file {local}")
        return local, local
    return local_copy(ctx, path, saltenv), _parts(path, saltenv)[0]


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
        raise BadSource(str(error)) from None


def _missing(ctx: Context, path: str, env: str) -> Any:
    return NoSuchSource(
        f"there is no file salt://{path} in the environment {env!r}.{nearest(path, ctx.files.list(env))}"
    )
