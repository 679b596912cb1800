"""Runs a file of custom code as a module: its `__virtual__` asked, what is wrong with it told with file and line."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from saltern.custom.errors import BrokenModule, NotOffered, words_of
from saltern.custom.outline import outline
from saltern.errors import SalternError
from saltern.marks import permit_acting

if TYPE_CHECKING:
    from types import ModuleType

    from saltern.custom.custom import Custom
    from saltern.custom.source import Origin

_log = logging.getLogger(__name__)


def load(custom: Custom, module: ModuleType, origin: Origin) -> None:
    """Run ORIGIN as MODULE, whose last name is the namespace that is wanted. BrokenModule, NotOffered."""
    if origin.problem:
        raise BrokenModule(origin.problem)
    source = custom.source.read(origin)
    found = outline(source, origin.path)
    module.__file__ = origin.path
    if not found.typed:
        from saltern.compat.surroundings import dress

        dress(module, custom.bridge)
    try:
        with nullcontext() if found.typed else permit_acting():  # Salt's kind may ask what it likes when it is loaded
            exec(compile(source, origin.path, "exec"), vars(module))  # noqa: S102 - the tree's code, see docs/extending.md
            _check_offered(module, origin)
    except SalternError:
        raise
    except (Exception, SystemExit) as error:
        _log.debug("%s", origin.path, exc_info=True)
        raise BrokenModule(words_of(error, origin.path)) from None
    if not found.typed:
        from saltern.compat.offers import offer

        offer(module, custom.bridge, origin, found.tree)


def _check_offered(module: ModuleType, origin: Origin) -> None:
    """Ask `__virtual__`. NotOffered where it refuses, or offers the file under another name than is wanted."""
    wanted = module.__name__.rpartition(".")[2]
    ask = vars(module).get("__virtual__")
    said: Any = ask() if callable(ask) else True
    said, reason = (said[0], f": {said[1]}") if isinstance(said, tuple) and len(said) == 2 else (said, "")
    if not said:
        raise NotOffered(f"{origin.path} is not for this node, as its __virtual__ says{reason}")
    if origin.stem.startswith("_") or origin.kind == "grains":
        return
    name = said if isinstance(said, str) else vars(module).get("__virtualname__", origin.stem)
    if str(name).rstrip("_") != wanted:
        raise NotOffered(f"{origin.path} offers {str(name)!r} on this node, not {wanted!r}")
