# What an expression, tag or import gives, and what it should.
{%- from 'lib/map.jinja' import tagged, who with context %}
{%- set asked = 'me' %}
{%- from './../lib/map.jinja' import asked as with_context with context %}
{%- from 'lib/map.jinja' import asked as without_context without context %}
{%- import 'lib/map.jinja' as map %}
{%- import_yaml 'lib/data.yaml' as from_yaml %}
{%- import_json 'lib/data.json' as from_json %}
{%- import_text 'lib/data.txt' as from_text %}
{%- load_yaml as loaded_yaml %}
a: [1, 2]
{%- endload %}
{%- load_json as loaded_json %}{"a": {{ [1, 2] | json }}}{% endload %}
{%- load_text as loaded_text %}text {{ 1 }}{% endload %}
{%- set seen = [] %}
{%- do seen.append('done') %}
{%- for n in range(9) %}{% if n == 1 %}{% continue %}{% elif n == 3 %}{% break %}{% endif %}{% do seen.append(n) %}{% endfor %}
{%- set ns = namespace(total=0) %}
{%- for n in [1, 2] %}{% set ns.total = ns.total + n %}{% endfor %}
{%- profile as 'timed' %}{% do salt.log.debug('a line') %}{% do log.info('another') %}{% endprofile %}
- [{{ salt['test.echo']('a') }}, a]
- [{{ salt.test.echo('a') }}, a]
- [{{ salt['grains.get']('id') }}, web1]
- [{{ 'test.echo' in salt }}, true]
- [{{ 'nix.nix' in salt }}, false]
- [{{ grains.id ~ grains['id'] ~ grains.get('nix', '!') }}, web1web1!]
- [{{ pillar.role ~ pillar['role'] ~ pillar.get('nix', '!') ~ pillar.nix | default('?') }}, 'webweb!?']
- [{{ opts.id ~ opts['id'] ~ opts.get('nix') }}, web1web1None]
- [{{ saltenv ~ env }}, basebase]
- ["{{ tplfile }} {{ tpldir }} {{ tpldot }}", pairs/jinja.sls pairs pairs]
- [{{ tplpath.endswith('/states/base/pairs/jinja.sls') and tplpath.startswith('/') }}, true]
- [{{ tpldir.split('/')[0] }}, pairs]
- ["{{ tagged('x') }}{% call tagged('y', tag='i') %}z{% endcall %}", <b>x</b><i>yz</i>]
- ["{{ who }} {{ map.who }} {{ map.tagged('q') }}", web1 web1 <b>q</b>]
- ["{{ with_context }}, {{ without_context }}", 'me, nobody asked']
- [{{ from_yaml | json }}, {a: 2, who: web1}]
- [{{ from_json | json }}, {a: [1, null]}]
- [{{ from_text | json }}, "for web1\n"]
- [{{ loaded_yaml | json }}, {a: [1, 2]}]
- [{{ loaded_json | json }}, {a: [1, 2]}]
- [{{ loaded_text }}, text 1]
- [{{ seen | json }}, [done, 0, 2]]
- [{{ ns.total }}, 3]
- [{{ odict([('b', 1), ('a', 2)]) | list | json }}, [b, a]]
- [{{ show_full_context() | length > 8 }}, true]
- ["{% raw %}{{ kept }}{% endraw %}", "{{ '{{ kept }}' }}"]
- ["{% include 'lib/data.txt' %}", "for web1 "]
- ["{{ 'abc' is match('A', ignorecase=true) }}{{ 1 is equalto 1 }}{{ [] is list }}{{ {} is mapping }}", TrueTrueTrueTrue]
