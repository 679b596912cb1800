"""Files of the state tree, on the node."""

from __future__ import annotations

from typing import Any

from modules import _safe
from saltern.context import Context, split_uri
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading


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
def cache_file(ctx: Context, path: str, saltenv: str = "base") -> str:
    """Bring the file `salt://PATH` to the node, where it is not here yet; the path of the verified copy."""
    name, env = _parts(path, saltenv)
    try:
        return str(ctx.files.local(name, env))
    except FileNotFoundError:
        raise _missing(ctx, name, env) from None


@reading
def get_file_str(ctx: Context, path: str, saltenv: str = "base") -> str:
    """The text of the file `salt://PATH` (UTF-8, other bytes replaced)."""
    with open(cache_file(ctx, path, saltenv), "rb") as file:
        return file.read().decode("utf-8", "replace")


@acting
def get_file(ctx: Context, path: str, dest: str, saltenv: str = "base", makedirs: bool = False) -> str:
    """Copy the file `salt://PATH` to DEST on the node; MAKEDIRS makes the directories above it. DEST."""
    local = cache_file(ctx, path, saltenv)
    target = _safe.absolute(dest)
    try:
        if makedirs:
            _safe.make_folders(target.rpartition("/")[0] or "/")
        _safe.copy(target, local)
    except OSError as error:
        raise PermanentError(f"can't write {dest}: {error.strerror}") from None
    return target


def _parts(path: str, saltenv: str) -> tuple[str, str]:
    try:
        return split_uri(path if "://" in path else f"salt://{path}", saltenv)
    except ValueError as error:
        raise NoSuchSource(str(error)) from None


def _missing(ctx: Context, path: str, env: str) -> Any:
    return NoSuchSource(
        f"there is no file salt://{path} in the environment {env!r}.{nearest(path, ctx.files.list(env))}"
    )
