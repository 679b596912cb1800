"""The Jinja tags that Salt adds: load_yaml, load_json, load_text, import_yaml, import_json, import_text, profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes
from jinja2.environment import TemplateModule
from jinja2.ext import Extension
from jinja2.parser import Parser

from saltern.sls.source import Source
from saltern.sls.yaml_loader import load


class SaltTags(Extension):
    """`{% load_yaml as x %}…{% endload %}` and `{% import_yaml "path" as x %}`, and the same for JSON and text."""

    tags = {"load_yaml", "load_json", "load_text", "import_yaml", "import_json", "import_text", "profile"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """One of our tags, as nodes that Jinja knows."""
        name = parser.stream.current.value
        if name == "profile":
            return self._profile(parser)
        action, _, form = name.partition("_")
        return self._load(parser, form) if action == "load" else self._import(parser, form)

    def _load(self, parser: Parser, form: str) -> nodes.Node:
        line = next(parser.stream).lineno
        parser.stream.expect("name:as")
        target = parser.parse_assign_target()
        body = parser.parse_statements(("name:endload",), drop_needle=True)
        filter_ = nodes.Filter(None, f"load_{form}", [], [], None, None, lineno=line)
        return nodes.AssignBlock(target, filter_, body, lineno=line)

    def _import(self, parser: Parser, form: str) -> list[nodes.Node]:
        line = next(parser.stream).lineno
        template = parser.parse_expression()
        parser.stream.expect("name:as")
        target = parser.parse_assign_target(name_only=True)
        with_context = False
        if parser.stream.current.test_any("name:with", "name:without") and parser.stream.look().test("name:context"):
            with_context = next(parser.stream).value == "with"
            parser.stream.skip()
        imported = nodes.Name("_" + parser.free_identifier().name, "load", lineno=line)
        value = self.call_method("_read", [imported, nodes.Const(form)], lineno=line)
        bring = nodes.Import(template, imported.name, with_context, lineno=line)
        assign = nodes.Assign(nodes.Name(target.name, "store", lineno=line), value, lineno=line)
        return [bring, assign]

    def _read(self, module: TemplateModule, form: str) -> Any:
        if form == "yaml":  # an error in it then names the imported file
            data = load(Source(str(module.__name__), str(module))).data
            stand_ins = getattr(self.environment, "stand_ins", None)
            return data if stand_ins is None else stand_ins.put_back(data)
        reader: Callable[[Any], Any] = self.environment.filters[f"load_{form}"]
        return reader(str(module))

    def _profile(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        parser.stream.expect("name:as")
        parser.parse_expression()
        return parser.parse_statements(("name:endprofile",), drop_needle=True)
