"""Finds SLS files by their dotted names and renders them; one `Tree` serves one job."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from saltern.context import FileSource
from saltern.errors import SourceError, nearest
from saltern.sls.render import Renderer
from saltern.sls.yaml_loader import Document, Spot

_TEMPLATE_SUFFIXES = (".sls", ".jinja", ".j2", ".yaml", ".yml", ".json", ".map")


class Tree:
    """The SLS of FILES by name and environment: `a.b` is `a/b.sls` or `a/b/init.sls`."""

    def __init__(self, files: FileSource, renderer: Renderer) -> None:
        self.files, self.renderer = files, renderer
        self._names: dict[str, dict[str, list[str]]] = {}
        self._fetched: set[tuple[str, str]] = set()

    def names(self, saltenv: str) -> dict[str, list[str]]:
        """Every SLS of SALTENV, sorted: its name, and its path (two where it is there in both forms)."""
        if saltenv not in self._names:
            found: dict[str, list[str]] = {}
            for path in self.files.list(saltenv):
                if path.endswith(".sls"):
                    name = path[:-4].removesuffix("/init").replace("/", ".")
                    if path != "top.sls":
                        found.setdefault(name, []).append(path)
            self._names[saltenv] = dict(sorted(found.items()))
        return self._names[saltenv]

    def matching(self, pattern: str, saltenv: str) -> list[str]:
        """PATTERN itself, or the names of SALTENV that it matches if it is a glob."""
        if not any(char in pattern for char in "*?["):
            return [pattern]
        return [name for name in self.names(saltenv) if fnmatchcase(name, pattern)]

    def path(self, sls: str, saltenv: str, asked: Spot | None = None) -> str:
        """The file of SLS. SourceError at ASKED where there is none, or two."""
        known = self.names(saltenv)
        paths = known.get(sls, [])
        if len(paths) == 1:
            return paths[0]
        if paths:
            raise _error(asked, f"the SLS {sls!r} is there twice: {' and '.join(paths)}", "Remove one of them.")
        if saltenv not in self.files.environments():
            near = nearest(saltenv, self.files.environments())
            raise _error(asked, f"there is no environment {saltenv!r}.{near}")
        dotted = sls.removesuffix(".sls").replace("/", ".")
        hint = f"Write it with dots: {dotted}." if dotted != sls and dotted in known else ""
        raise _error(asked, f"there is no SLS {sls!r} in environment {saltenv!r}.{nearest(sls, known)}", hint)

    def is_init(self, sls: str, saltenv: str) -> bool:
        """Whether SLS is the `init.sls` of a folder."""
        return any(path.endswith("/init.sls") for path in self.names(saltenv).get(sls, ()))

    def fetch(self, names: Iterable[str], saltenv: str) -> None:
        """Bring the files of these SLS and the templates of their folders here, in one batch."""
        folders, wanted = set(), set()
        for name in names:
            for path in self.names(saltenv).get(name, ()):
                wanted.add(path)
                if "/" in path:
                    folders.add(path.rpartition("/")[0] + "/")
        if folders:
            for path in self.files.list(saltenv):
                if path.endswith(_TEMPLATE_SUFFIXES) and path[: path.rfind("/") + 1] in folders:
                    wanted.add(path)
        missing = tuple(sorted(path for path in wanted if (saltenv, path) not in self._fetched))
        if missing:
            self._fetched.update((saltenv, path) for path in missing)
            self.files.fetch(missing, saltenv)

    def document(self, sls: str, saltenv: str, asked: Spot | None = None) -> Document:
        """SLS rendered."""
        return self.read(self.path(sls, saltenv, asked), saltenv, sls)

    def read(self, path: str, saltenv: str, sls: str = "") -> Document:
        """The file PATH of the tree, rendered as an SLS. SourceError where it is no UTF-8."""
        try:
            with open(self.files.local(path, saltenv), encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError as error:
            raise SourceError(f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}", file=path) from None
        return self.renderer.document(text, file=path, saltenv=saltenv, sls=sls)


def _error(asked: Spot | None, message: str, hint: str = "") -> SourceError:
    return SourceError(message, hint=hint or None) if asked is None else asked.error(message, hint)
