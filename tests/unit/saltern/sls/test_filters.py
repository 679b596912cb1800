# ruff: noqa: E501 - one filter, one line
"""The rules of Salt's filters, by the examples of its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.errors import SourceError
from saltern.sls.filters_node import FILTERS, http_query
from saltern.sls.render import Renderer, render_template
from tests.serving import serving
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
        ("5 | check_whitelist_blacklist(whitelist=[5, 6]), 5 | check_whitelist_blacklist(blacklist=[5])", "(True, False)"),
        ("'fe80::1' | is_ip('link-local'), '127.0.0.1' | is_ip(options='loopback')", "(True, True)"),
        ("'2002/12/25' | strftime('%y'), 'Wed, 25 Dec 2002 10:00:00 +0000' | strftime('%m')", "('02', '12')"),
        ("7 | random_hash | length, 7 | random_hash('md5') | length", "(64, 32)"),
        ("'/etc/passwd' | is_text_file, '/etc/passwd' | is_binary_file, '/nix' | is_binary_file", "(True, False, None)"),
        ("'/etc/passwd' | is_empty_file, '/dev/null' | is_empty_file", "(False, True)"),
        ("'/dev/null' | list_files, '/etc/pam.d' | list_files | first", "(['/dev/null'], '/etc/pam.d')"),
        ("('/etc/passwd' | file_hashsum) == ('/etc/passwd' | file_hashsum('sha256'))", "True"),
        ("'127.0.0.1' | dns_check(port=443), 'a..b' | dns_check(safe=true)", "('127.0.0.1', '')"),
        ("{'r': {'n': 4, 'l': ['x', 'y'], 'm': {'k': true}}} | xml", '<?xml version="1.0" ?>\n<r n="4">\n <l>x</l>\n <l>y</l>\n <m k="True" />\n</r>'),
        ("odict(a=1), {'a': 'b'} | compare_dicts({'a': 'c'})", "({'a': 1}, {'a': {'old': 'b', 'new': 'c'}})"),
    ],
)  # fmt: skip
def test_a_filter_gives_what_salt_documents(tmp_path: Path, expression: str, text: str) -> None:
    ctx = context(tmp_path, {})
    found = render_template("{{ (" + expression + ") }}", place="t", context={}, ctx=ctx, saltenv="base")
    assert found == text


def rendered_error(tmp_path: Path, text: str) -> str:
    with pytest.raises(SourceError) as caught:
        render_template(text, place="t", context={}, ctx=context(tmp_path, {}), saltenv="base")
    return str(caught.value)


def test_a_filter_that_is_not_there_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    assert "No filter named 'str_to_num'. Did you mean 'to_num'?" in rendered_error(tmp_path, "{{ 1 | str_to_num }}")
    assert "not a time: 'tomorrow'; write" in rendered_error(tmp_path, "{{ 'tomorrow' | strftime }}")
    assert "there is no file /nix" in rendered_error(tmp_path, "{{ '/nix' | file_hashsum }}")
    assert "can't find an address of a..b" in rendered_error(tmp_path, "{{ 'a..b' | dns_check }}")
    assert "http_query asks http://" in rendered_error(tmp_path, "{{ 'file:///etc/passwd' | http_query }}")


def test_templates_of_the_pillar_do_not_look_at_the_master(tmp_path: Path) -> None:
    renderer = Renderer(context(tmp_path, {}), sandboxed=True)
    for name in FILTERS:
        with pytest.raises(SourceError, match=f"No filter named '{name}'"):
            renderer.template("{{ '/etc/passwd' | " + name + " }}", file="t", saltenv="base")


def test_a_url_is_asked_for_what_it_gives(tmp_path: Path) -> None:
    with serving({"/a": b'{"x": 1}'}) as url:
        assert http_query(f"{url}/a") == {"body": '{"x": 1}', "status": 200}
        assert http_query(f"{url}/a", decode=True)["dict"] == {"x": 1}
        assert http_query(f"{url}/b")["status"] == 404
