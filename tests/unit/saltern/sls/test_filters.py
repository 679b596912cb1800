# ruff: noqa: E501 - one filter, one line
"""The rules of Salt's filters, by the examples of its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.sls.render import render_template
from tests.unit.saltern.sls.files import context


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("{'a': [1, none, true], 'b': 'x: y'} | yaml", "{a: [1, null, true], b: 'x: y'}"),
        ("{'a': {'b': 1}} | yaml(false)", "a:\n  b: 1"),
        ("{'b': 1, 'a': [true]} | json", '{"a": [true], "b": 1}'),
        ("{'b': '<&>'} | tojson", '{"b": "<&>"}'),
        ("7 | yaml_encode", "7"),
        ("none | yaml_encode", "null"),
        ("'word' | yaml_encode", '"word"'),
        ("'say \"x\"' | yaml_dquote", '"say \\"x\\""'),
        ("\"it's\" | yaml_squote", "'it''s'"),
        ("'a b; c' | quote", "'a b; c'"),
        ("'abcd' | regex_match('a(b)(c)')", "('b', 'c')"),
        ("'abcd' | regex_match('b')", "None"),
        ("'abcd' | regex_search('(C)', ignorecase=true)", "('c',)"),
        ("'lets replace spaces' | regex_replace('\\s+', '__')", "lets__replace__spaces"),
        ("'example' | uuid", "9ade8beb-355a-50d8-9011-1c99848a7719"),
        ("'yes' | to_bool, 'true' | to_bool, 1 | to_bool, 'no' | to_bool, [] | to_bool", "(True, True, True, False, False)"),
        ("'a' | sequence, [1] | sequence", "(['a'], [1])"),
        ("[1, 2, 1, [3], [3]] | unique", "[1, 2, [3]]"),
        ("[1, 2] | union([2, 3])", "[1, 2, 3]"),
        ("[1, 2] | intersect([2, 3])", "[2]"),
        ("[1, 2] | difference([2, 3])", "[1]"),
        ("[1, 2] | symmetric_difference([2, 3])", "[1, 3]"),
        ("[1, 2, 3] | avg", "2.0"),
        ("[1, [2, [3]]] | flatten", "[1, 2, 3]"),
        ("[1, [2, [3]]] | flatten(levels=1)", "[1, 2, [3]]"),
        ("{'a': {'b': [{'c': 5}]}} | traverse('a:b:0:c'), {} | traverse('x:y', 'd')", "(5, 'd')"),
        ("'random' | md5", "7ddf32e17a6ac5ce04a8ecbf782ca509"),
        ("'random' | sha256", "a441b15fe9a3cf56661190a0b93b9dec7d04127288cc87250967cf3b52894d11"),
        ("'get salted' | base64_encode", "Z2V0IHNhbHRlZA=="),
        ("'Z2V0IHNhbHRlZA==' | base64_decode", "get salted"),
        ("'get salted' | hmac_compute('shared secret')", "eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ="),
        ("'get salted' | hmac('shared secret', 'eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ=')", "True"),
        ("'192.168.0.1' | is_ip, 'x' | is_ip, '::1' | is_ipv4", "(True, False, False)"),
        ("['192.168.0.1', '172.17.17.1', 'foo', 'bar', '::'] | ipaddr", "['192.168.0.1', '172.17.17.1', '::']"),
        ("['192.168.0.1', '10.0.0.0/8', '::1'] | ipv4", "['192.168.0.1', '10.0.0.0/8']"),
        ("['192.168.0.1', '8.8.8.8'] | ipaddr('private')", "['192.168.0.1']"),
        ("'2001:db8::1' | ipv6", "2001:db8::1"),
        ("'192.168.0.0/30' | network_hosts", "['192.168.0.1', '192.168.0.2']"),
        ("'192.168.0.0/29' | network_size", "8"),
        ("'1483228800' | strftime('%Y')", "2017"),
        ("'2002-12-25' | strftime('%d.%m.%Y')", "25.12.2002"),
        ("'2T' | human_to_bytes, '4 KiB' | human_to_bytes, '1KB' | human_to_bytes(handle_metric=true)", "(2199023255552, 4096, 1000)"),
        ("'abcDefGhi' | to_snake_case, 'abc_def' | to_camelcase, 'abc_def' | to_camelcase(uppercamel=true)", "('abc_def_ghi', 'abcDef', 'AbcDef')"),
        ("{'a': 1, 'b': [2]} | dict_to_sls_yaml_params(flow_style=true)", "[{a: 1}, {b: [2]}]"),
        ("{'a': {'b': 1}} | set_dict_key_value('a:c', 2)", "{'a': {'b': 1, 'c': 2}}"),
        ("[1, 2] | zip([3, 4])", "[[1, 3], [2, 4]]"),
        ("[true, false, true] | exactly_n_true(2), [true, true] | exactly_one_true", "(True, False)"),
        ("'5' | to_num, '5.5' | to_num, 'x' | to_num", "(5, 5.5, 'x')"),
        ("'abc' | method_call('upper')", "ABC"),
        ("'/a' | path_join('b', '/c')", "/a/b/c"),
        ("[1, 2, 3] | random_shuffle(7) == [1, 2, 3] | random_shuffle(7)", "True"),
        ("'a: [1]' | load_yaml, '{\"a\": 1}' | load_json", "({'a': [1]}, {'a': 1})"),
        ("'x' | is_hex, 'ff' | is_hex, 'a b' | contains_whitespace", "(False, True, True)"),
        ("'web1' | check_whitelist_blacklist(['web*'], ['web2'])", "True"),
    ],
)  # fmt: skip
def test_a_filter_gives_what_salt_documents(tmp_path: Path, expression: str, text: str) -> None:
    ctx = context(tmp_path, {})
    found = render_template("{{ (" + expression + ") }}", place="t", context={}, ctx=ctx, saltenv="base")
    assert found == text
