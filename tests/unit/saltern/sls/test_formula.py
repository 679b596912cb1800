"""A formula as they are written for Salt compiles as it is; the order in which files are found changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.sls.state_tree import StateTree
from tests.unit.saltern.sls.files import context

FORMULA = {
    "web/init.sls": "include:\n  - .install\n  - .service\n",
    "web/map.jinja": """\
        {%- set tplroot = tpldir.split("/")[0] %}
        {%- import_yaml tplroot ~ "/defaults.yaml" as defaults %}
        {%- import_yaml tplroot ~ "/osmap.yaml" as osmap %}
        {%- set found = defaults.web %}
        {%- do found.update(osmap.get(grains.os, {})) %}
        {%- do found.update(salt["pillar.get"]("web", {})) %}
        {%- set web = found %}
        """,
    "web/defaults.yaml": "web:\n  package: httpd\n  service: httpd\n  ports: [80]\n",
    "web/osmap.yaml": "Debian:\n  package: apache2\n  service: apache2\n",
    "web/macros.jinja": """\
        {%- macro listen(port, extra={}) -%}
        listen on {{ port }}:
          test.nop:
            - name: {{ ("port " ~ port) | yaml_dquote }}
            - require:
              - test: {{ extra.needs }}
        {%- endmacro %}
        """,
    "web/install.sls": """\
        {%- set tplroot = tpldir.split("/")[0] %}
        {%- from tplroot ~ "/map.jinja" import web with context %}
        {{ slsdotpath }}-install:
          test.nop:
            - name: {{ web.package }}
        """,
    "web/service.sls": """\
        {%- from "web/map.jinja" import web with context %}
        {%- from "./macros.jinja" import listen %}
        include:
          - {{ slsdotpath }}.install
        {%- set installed = slsdotpath ~ ".install" %}
        {%- for port in web.ports %}

        {{ listen(port, {"needs": web.service}) }}
        {%- endfor %}

        {{ web.service }}:
          test.nop:
            - require:
              - sls: {{ installed }}
            - watch_in:
              - test: "listen on *"
        """,
}


def test_a_formula_compiles_as_it_is(tmp_path: Path) -> None:
    ctx = context(tmp_path, FORMULA, pillar={"web": {"ports": [80, 8080]}})
    found = StateTree(ctx).low(["web"])
    assert [(low.id, low.name, low.sls) for low in found] == [
        ("web-install", "apache2", "web.install"),
        ("apache2", "apache2", "web.service"),
        ("listen on 80", "port 80", "web.service"),
        ("listen on 8080", "port 8080", "web.service"),
    ]
    last = found[-1]
    assert [(need.kind, need.ref) for need in last.requisites] == [("require", "apache2"), ("watch", "apache2")]


@settings(max_examples=15)
@given(st.permutations(sorted(FORMULA)))
def test_the_order_in_which_files_are_written_and_listed_changes_nothing(
    tmp_path_factory: Any, order: list[str]
) -> None:
    ctx = context(tmp_path_factory.mktemp("tree"), {path: FORMULA[path] for path in order})
    assert [low.tag for low in StateTree(ctx).low(["web"])] == [
        "test_|-web-install_|-apache2_|-nop",
        "test_|-apache2_|-apache2_|-nop",
        "test_|-listen on 80_|-port 80_|-nop",
    ]
