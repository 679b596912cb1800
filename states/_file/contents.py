"""Where the contents of a managed file come from: the tree, another file, the SLS, pillar or grains; and templates."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from modules._file.contents import Contents
from saltern.context import Context, split_uri
from saltern.errors import nearest
from saltern.secret import Secret
from saltern.traverse import traverse
from states._file.shared import FileStateError

HOLDS_A_SECRET = "holds a secret"  # noqa: S105 - the words shown instead of one
TEMPLATE_BYTES = 8 << 20


class Origin(NamedTuple):
    """A file that others are made from: PATH in the environment ENV of the tree, or (ENV is None) on the node."""

    path: str
    env: str | None
    digest: str | None  # SHA-256 in hex; None for a file on the node, which is only read where needed
    url: str = ""  # where PATH was fetched from, if it was

    @property
    def name(self) -> str:
        """What users call it."""
        return self.url or (self.path if self.env is None else f"salt://{self.path}")

    def local(self, ctx: Context) -> str:
        """Where its bytes can be read."""
        return self.path if self.env is None else str(ctx.files.local(self.path, self.env))

    def contents(self, ctx: Context) -> Contents:
        """What it holds, without reading it yet."""
        local = self.local(ctx)
        return Contents(path=local, digest=self.digest, size=os.stat(local).st_size)

    def mode(self, ctx: Context) -> int:
        """Its own permission bits, for `mode: keep`."""
        if self.env is None:
            return stat.S_IMODE(os.stat(self.path).st_mode)
        return stat.S_IMODE(ctx.files.mode(self.path, self.env))


class Checked(NamedTuple):
    """How a source from the network is proved: by SOURCE_HASH (a checksum, or the place of a list of them, in which it
    stands beside NAME), or not at all (SKIP)."""

    source_hash: str = ""
    name: str = ""
    skip: bool = False


UNCHECKED = Checked()


def origin(
    ctx: Context, source: str | Sequence[str] | Mapping[str, str], saltenv: str, checked: Checked = UNCHECKED
) -> Origin:
    """The first of SOURCE that exists. FileStateError with the nearest name where none does."""
    sources: list[Any] = [source] if isinstance(source, str | Mapping) else list(source)
    for one in sources:
        pairs = one.items() if isinstance(one, Mapping) else [(one, checked.source_hash)]
        for place, source_hash in pairs:  # a mapping gives each source its own checksum
            if found := _origin(ctx, place, saltenv, checked._replace(source_hash=source_hash)):
                return found
    sources = [place for one in sources for place in ([one] if isinstance(one, str) else one)]
    known = [f"salt://{path}" for path in ctx.files.list(saltenv)]
    wanted = " or ".join(sources) or "(an empty list)"
    hint = nearest(sources[0], known) if sources else ""
    raise FileStateError(f"there is no source file {wanted} in the environment {saltenv!r}.{hint}")


def _origin(ctx: Context, source: str, saltenv: str, checked: Checked) -> Origin | None:
    if not isinstance(source, str):
        raise FileStateError(f"a source is a text like salt://motd, not {source!r}")
    if source.startswith("salt://"):
        try:
            path, env = split_uri(source, saltenv)
        except ValueError as error:
            raise FileStateError(str(error)) from None
        digest = ctx.files.digest(path, env)
        return None if digest is None else Origin(path, env, digest)
    path = source.removeprefix("file://")
    if path.startswith("/"):
        return Origin(path, None, None) if os.path.isfile(path) else None
    if source.startswith(("http://", "https://")):
        return _fetched(ctx, source, saltenv, checked)
    scheme = source.partition("://")[0] if "://" in source else None
    if scheme:
        raise FileStateError(f"{source}: a source of the scheme {scheme}:// is not supported; use https:// or salt://")
    raise FileStateError(f"{source!r} is not a source: write salt://PATH, or the absolute path of a file on the node")


def _fetched(ctx: Context, source: str, saltenv: str, checked: Checked) -> Origin:
    """The copy of a SOURCE from the network, proved as CHECKED says."""
    from modules import _download  # it is seldom needed

    wanted = None
    if checked.source_hash:
        wanted = _download.sum_of(checked.source_hash)
        if wanted is None and "://" not in checked.source_hash:
            raise FileStateError(f"not a checksum: {checked.source_hash!r}; write sha256:… with 64 hex digits")
        if wanted is None:
            text = template_text(ctx, origin(ctx, checked.source_hash, saltenv, Checked(skip=True)))
            names = (checked.name, os.path.basename(source.partition("?")[0]))
            wanted = _download.sum_in(text, tuple(name for name in names if name))
        if wanted is None:
            raise FileStateError(
                f"{checked.source_hash} has no checksum for {source}; `source_hash_name` says its name"
            )
    _download.check_url(source, wanted, verify=not checked.skip)
    return Origin(_download.cached(ctx, source, wanted), None, None, source)


def inline(value: Any, *, newline: bool) -> Contents:
    """The contents written in SLS, pillar or grains: a text, a number, or a list of them as lines.

    Lines end with `\\n`; the last one too, unless NEWLINE is False. Bytes, and a text with NUL, are taken as they are.
    """
    if isinstance(value, bytes):
        return Contents(value)
    parts = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if any(isinstance(part, Mapping) or (isinstance(part, Sequence) and not isinstance(part, str)) for part in parts):
        raise FileStateError(
            f"contents are a text or a list of lines, not {type(value).__name__} with other things in it"
        )
    hidden = HOLDS_A_SECRET if any(isinstance(part, Secret) for part in parts) else None
    texts = [part.reveal() if isinstance(part, Secret) else str(part) for part in parts]
    return Contents(joined(texts, newline=newline).encode("utf-8", "surrogateescape"), hidden=hidden)


def joined(texts: Sequence[str], *, newline: bool) -> str:
    """TEXTS as the lines of one text."""
    if any("\0" in text for text in texts):
        return "".join(texts)
    if not any(texts) and len(texts) < 2:
        return ""
    lines = [text.replace("\r\n", "\n").removesuffix("\n") for text in texts]
    whole = "\n".join(lines)
    return whole + "\n" if newline else whole.rstrip("\n")


def looked_up(data: Any, kind: str, key: str, delimiter: str) -> Any:
    """The value of KEY in pillar or grains. FileStateError where there is none."""
    found = traverse(data, key, _MISSING, delimiter)
    if found is _MISSING:
        raise FileStateError(f"{kind} has no {key!r}.{nearest(key, data)}")
    return found


_MISSING = object()


def rendered(ctx: Context, text: str, template: str, context: Mapping[str, Any], *, place: str, saltenv: str) -> bytes:
    """TEXT as a TEMPLATE ("jinja") with CONTEXT. Errors name PLACE and the line."""
    _known(template, place)
    from saltern.sls.render import render_template

    return render_template(text, place=place, context=context, ctx=ctx, saltenv=saltenv).encode()


def rendered_file(
    ctx: Context, text: str, template: str, context: Mapping[str, Any], *, place: str, saltenv: str
) -> Contents:
    """As `rendered`, as the contents of a whole file: they are not shown where the template wrote out a secret."""
    _known(template, place)
    from saltern.sls.render import render_file

    made = render_file(text, place=place, context=context, ctx=ctx, saltenv=saltenv)
    if isinstance(made, Secret):
        return Contents(made.reveal().encode(), hidden=HOLDS_A_SECRET)
    return Contents(made.encode())


def _known(template: str, place: str) -> None:
    if template != "jinja":
        raise FileStateError(f"{place}: there is no template engine {template!r}; there is jinja")


def template_text(ctx: Context, found: Origin) -> str:
    """The text of a template. FileStateError where it is no text or too long to be one."""
    local = found.local(ctx)
    with open(local, "rb") as opened:
        data = opened.read(TEMPLATE_BYTES + 1)
    if len(data) > TEMPLATE_BYTES:
        raise FileStateError(f"{found.path}: too long for a template (over {TEMPLATE_BYTES >> 20} MiB)")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileStateError(f"{found.path}:{line}: a template must be UTF-8 text") from None
