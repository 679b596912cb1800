"""The Jinja environment of a tree: Salt's tags, filters, tests and globals, in a sandbox, with limits.

Imported only where a text holds template marks, since Jinja costs more to import than a small run.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from jinja2 import BaseLoader, StrictUndefined, TemplateNotFound, TemplateRuntimeError, nodes
from jinja2.runtime import Context as Names
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

from saltern.context import FileSource
from saltern.errors import nearest
from saltern.secret import Secret
from saltern.sls import filters_data, filters_net, filters_node, filters_text
from saltern.sls.secret_filters import careful
from saltern.sls.stand_ins import StandIns, secretly
from saltern.sls.tags import SaltTags

LOOP_LIMIT = 5_000_000  # turns of all loops of one rendering
TEXT_LIMIT = 64 << 20  # characters that one rendering, or one product in it, may give
_BITS_LIMIT = 1 << 16  # of a number that `*` or `**` gives
_WIDE = re.compile(r"%(?:\([^)]*\))?[^%a-zA-Z]*\d{6}")  # a width or precision of six digits


class LimitReached(TemplateRuntimeError):
    """The template goes on without an end, or grows beyond all measure."""


class Raised(TemplateRuntimeError):
    """What `raise("…")` in a template gives."""


class Missing(StrictUndefined):
    """An undefined value; using it is an error that names the nearest known key."""

    @property
    def _undefined_message(self) -> str:
        thing, name = self._undefined_obj, self._undefined_name
        if self._undefined_hint or not isinstance(thing, Mapping):
            return super()._undefined_message
        return f"the mapping has no key {name!r}.{nearest(str(name), thing)}"


class TreeLoader(BaseLoader):
    """Finds templates in an environment of the tree: `a/b.jinja`, `salt://a/b.jinja`, `salt://a?saltenv=dev`."""

    def __init__(self, files: FileSource, saltenv: str, sources: dict[str, str]) -> None:
        self._files, self._saltenv, self._sources = files, saltenv, sources

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The text of TEMPLATE and its path in the tree. TemplateNotFound where there is none."""
        path, _, saltenv = template.removeprefix("salt://").partition("?saltenv=")
        path = posixpath.normpath(path)
        if path.startswith(("../", "/")) or path == "..":
            raise TemplateNotFound(template, f"the template {template!r} lies outside the tree")
        try:
            with open(self._files.local(path, saltenv or self._saltenv), encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            known = nearest(path, self._files.list(saltenv or self._saltenv))
            raise TemplateNotFound(
                template, f"there is no file {path!r} in environment {saltenv or self._saltenv!r}.{known}"
            ) from None
        self._sources[path] = text
        return text, path, lambda: True


class TemplateEnvironment(SandboxedEnvironment):
    """Salt's Jinja. Names with a leading underscore are out of reach, loops and products are limited."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, loader: TreeLoader, *, on_node: bool = False, stand_ins: StandIns | None = None) -> None:
        """ON_NODE says whether templates may look at the machine on which they are rendered. STAND_INS stand for the
        secrets that they write out; without, they may write none."""
        super().__init__(
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", SaltTags],
            undefined=Missing,
            keep_trailing_newline=True,
            finalize=_written,
            optimized=False,  # what is constant is reckoned inside the limits of the rendering, and has its line there
            loader=loader,
            auto_reload=False,
        )
        self.turns = 0
        self.filters.update(filters_text.FILTERS)
        self.filters.update(filters_data.FILTERS)
        self.filters.update(filters_net.FILTERS)
        if on_node:
            self.filters.update(filters_node.FILTERS)
        self.tests.update(
            match=filters_text.is_match,
            list=filters_data.is_list,
            iter=filters_data.is_iter,
            ip=filters_net.is_ip,
        )
        self.stand_ins = stand_ins
        if stand_ins is not None:
            self.filters = {name: careful(name, filter_, stand_ins) for name, filter_ in self.filters.items()}
        self.globals.update({"raise": _raise, "odict": dict, "show_full_context": _show_full_context})

    def join_path(self, template: str, parent: str) -> str:
        """`./x` and `../x` are meant from the folder of the importing template; others from the top of the tree."""
        if template.startswith(("./", "../")):
            return posixpath.normpath(posixpath.join(posixpath.dirname(parent), template))
        return template

    def call_binop(self, context: Names, operator: str, left: Any, right: Any) -> Any:
        """A product, power or formatted text that stays within measure; LimitReached otherwise."""
        ins = self.stand_ins
        if operator == "%" and isinstance(left, str) and ins and (ins.among((right,)) or ins.below((right,))):
            return secretly(lambda: str(self.call_binop(context, operator, left, ins.revealed(right))))
        if operator == "%":
            if isinstance(left, str) and _WIDE.search(left):
                raise LimitReached("a format that makes a text of more than 99999 characters")
        elif operator == "*":
            for one, other in ((left, right), (right, left)):
                sized = isinstance(one, str | bytes | list | tuple) and isinstance(other, int)
                if sized and len(one) * other > TEXT_LIMIT:
                    raise LimitReached(f"a product of {len(one) * other} parts; {TEXT_LIMIT} is the limit")
            numbers = isinstance(left, int) and isinstance(right, int)
            if numbers and left.bit_length() + right.bit_length() > _BITS_LIMIT:
                raise LimitReached(f"this product would have more than {_BITS_LIMIT} bits")
        elif isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > _BITS_LIMIT:
            raise LimitReached(f"this power would have more than {_BITS_LIMIT} bits")
        return super().call_binop(context, operator, left, right)

    def joined(self, *values: Any) -> Any:
        """What `~` makes of VALUES: a secret where one of them is."""
        if self.stand_ins is None or not self.stand_ins.among(values):
            return "".join(map(str, values))
        reveal = self.stand_ins.revealed
        return secretly(lambda: "".join(str(reveal(value)) for value in values))

    def call(__self, __context: Names, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja calls it
        """Call what a template calls. Of a secret a method of a text makes a secret; others get it as one."""
        ins = __self.stand_ins
        if ins is None or not ins.among((*args, *kwargs.values())):
            return super().call(__context, __obj, *args, **kwargs)
        method = getattr(__obj, "__wrapped__", __obj)  # `format` is wrapped by the sandbox
        of_text = isinstance(getattr(method, "__self__", None), str)
        called = super().call

        def made(change: Callable[[Any], Any]) -> Any:
            changed = {key: change(value) for key, value in kwargs.items()}
            return called(__context, __obj, *map(change, args), **changed)

        return secretly(lambda: made(ins.revealed)) if of_text else made(ins.hidden)

    def bounded(self, values: Iterable[Any]) -> Iterable[Any]:
        """What each `for` loops over: VALUES, counted against the limit of all loops together."""
        if isinstance(values, list | tuple | dict | range | set | str):
            self.count(len(values))
            return values
        return self._counted(values)

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.count(1)
            yield value

    def count(self, turns: int) -> None:
        """Note TURNS of a loop. LimitReached when there were too many."""
        self.turns += turns
        if self.turns > LOOP_LIMIT:
            raise LimitReached(f"the loops of this template take more than {LOOP_LIMIT} turns: is there an end?")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        with warnings.catch_warnings():  # `'\d'` is how people write a regular expression, and it works
            warnings.simplefilter("ignore", DeprecationWarning)
            return super()._parse(source, name, filename)

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        for loop in source.find_all(nodes.For):
            counter = nodes.EnvironmentAttribute("bounded", lineno=loop.lineno)
            loop.iter = nodes.Call(counter, [loop.iter], [], None, None, lineno=loop.lineno).set_environment(self)
        return super()._generate(_Joins(self).visit(source), name, filename, defer_init)


class _Joins(NodeTransformer):
    """Lets `joined` do what `~` does."""

    def __init__(self, environment: TemplateEnvironment) -> None:
        self._environment = environment

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - as Jinja names its visitors
        self.generic_visit(node)
        join = nodes.EnvironmentAttribute("joined", lineno=node.lineno)
        return nodes.Call(join, node.nodes, [], None, None, lineno=node.lineno).set_environment(self._environment)


def _raise(message: Any = "raised by the template") -> NoReturn:
    raise Raised(str(message))


@pass_context
def _written(context: Names, value: Any) -> Any:
    if isinstance(value, Secret):  # its mask would go unnoticed into a file or an argument
        stand_ins = getattr(context.environment, "stand_ins", None)
        if stand_ins is None:
            raise Raised("this value is a secret, which a template can't write out here")
        return stand_ins.of(value)
    return value


@pass_context
def _show_full_context(context: Names) -> dict[str, Any]:
    return {key: value for key, value in context.get_all().items() if not callable(value)}
