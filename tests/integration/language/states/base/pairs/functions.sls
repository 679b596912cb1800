# What functions give, and what they should.
{%- macro pair(found, wanted) %}
- [{{ found | json }}, {{ wanted | json }}]
{%- endmacro %}
{%- set kept = opts.root_dir ~ '/kept' %}
{{- pair(salt['cp.get_file_str']('salt://lib/data.json'), '{"a": [1, null]}') }}
{{- pair(salt['cp.get_file_str']('salt://nix'), false) }}
{{- pair(salt['cp.cache_file']('salt://nix'), '') }}
{{- pair(salt['cp.cache_file']('salt://lib/data.txt').endswith('lib/data.txt'), true) }}
{{- pair(salt['cp.get_file']('salt://lib/data.json', kept ~ '/a/b.json', makedirs=true), kept ~ '/a/b.json') }}
{{- pair(salt['cp.get_template']('salt://lib/data.txt', kept ~ '/t'), kept ~ '/t') }}
{{- pair(salt['cp.get_dir']('salt://lib', kept) | length, 5) }}
{{- pair(salt['file.read'](kept ~ '/t'), 'for web1\n') }}
{{- pair(salt['cp.get_url']('file://' ~ kept ~ '/t', none), 'for web1\n') }}
{{- pair(salt['cp.cache_files'](['salt://lib/data.txt', 'salt://lib/data.json']) | length, 2) }}
{{- pair(salt['cp.cache_local_file'](kept ~ '/t') in salt['cp.list_minion'](), true) }}
{{- pair(salt['cp.is_cached']('salt://nix'), '') }}
{{- pair(salt['cp.hash_file']('salt://lib/data.json').hash_type, 'sha256') }}
{{- pair(salt['cp.list_master'](prefix='lib/') | length, 5) }}
{{- pair(salt['cp.list_master_dirs'](prefix='lib'), ['lib']) }}
{{- pair(salt['cp.list_states'](saltenv='dev'), ['there']) }}
{{- pair(salt['cp.envs'](), ['base', 'dev']) }}
{{- pair(salt['sys.list_functions']('random.*') | length > 5, true) }}
{{- pair(salt['sys.list_modules']('sy*'), ['sys', 'sysctl']) }}
{{- pair(salt['sys.list_state_functions']('test.n*'), ['test.nop']) }}
{{- pair('file' in salt['sys.list_state_modules'](), true) }}
{{- pair(salt['sys.argspec']('grains.get')['grains.get'].args, ['key', 'default', 'delimiter']) }}
{{- pair(salt['sys.argspec']('grains.get')['grains.get'].defaults, ['', ':']) }}
{{- pair(salt['sys.state_argspec']('test.nop')['test.nop'].args, ['name']) }}
{{- pair(salt['sys.doc']('test.ping') | list, ['test.ping']) }}
{{- pair(salt['sys.state_doc']('test.nop') | list, ['test.nop']) }}
{{- pair(salt['random.get_str'](7) | length, 7) }}
{{- pair(salt['random.get_str'](7, punctuation=false, digits=false).isalpha(), true) }}
{{- pair(salt['random.rand_int'](3, 3), 3) }}
{{- pair(salt['random.seed'](60) == salt['random.seed'](60), true) }}
{{- pair(salt['random.hash']('x', 'md5'), '9dd4e461268c8034f5c8564e155c67a6') }}
{{- pair(salt['random.str_encode']('I'), 'SQ==\n') }}
{{- pair(salt['random.sample'](['a', 'b'], 1, seed=1) | length, 1) }}
{{- pair(salt['random.shuffle'](['a', 'b'], seed=1) | sort, ['a', 'b']) }}
{{- pair(salt['random.shadow_hash']('salt', 'secret').startswith('$6$salt$'), true) }}
{{- pair([salt['match.glob']('w*'), salt['match.glob']('w*', minion_id='db')], [true, false]) }}
{{- pair(salt['match.compound']('G@os:Debian and not db*'), true) }}
{{- pair(salt['match.filter_by']({'db*': 1, 'web*': 2}), 2) }}
{{- pair(salt['match.search_by']({'a': ['db*'], 'b': ['web1', 'x']}), ['b']) }}
{{- pair([salt['match.list']('db1,web1'), salt['match.nodegroup']('edge'), salt['match.ipcidr']('10.0.0.0/8')], [true, true, true]) }}
{{- pair(salt['config.get']('role'), 'web') }}
{{- pair(salt['config.get']('deep:a:b'), [1, 2]) }}
{{- pair(salt['config.get']('deep|a', delimiter='|'), {'b': [1, 2]}) }}
{{- pair(salt['config.get']('deep', merge='recurse', default={'z': 1}), {'z': 1, 'a': {'b': [1, 2]}}) }}
{{- pair(salt['config.get']('role', omit_pillar=true, default='none'), 'none') }}
{{- pair(salt['config.get']('id'), 'web1') }}
{{- pair([salt['config.valid_fileproto']('salt://x'), salt['config.manage_mode'](644)], [true, '0644']) }}
{{- pair(salt['pillar.get']('deep:a:b:1'), 2) }}
{{- pair(salt['pillar.get']('deep', {'c': 1}, merge=true), {'c': 1, 'a': {'b': [1, 2]}}) }}
{{- pair(salt['pillar.item']('role', 'nix'), {'role': 'web', 'nix': ''}) }}
{{- pair(salt['pillar.items']() | list | sort, ['deep', 'dir', 'hosts.file', 'role']) }}
{{- pair(salt['pillar.keys']('deep'), ['a']) }}
{{- pair(salt['pillar.obfuscate']('role'), {'role': '<str>'}) }}
{{- pair(salt['pillar.raw']('role'), 'web') }}
{{- pair(salt['pillar.filter_by']({'web': 1, 'default': 2}, 'role'), 1) }}
{{- pair(salt['grains.get']('nix:deep', 'd'), 'd') }}
{{- pair(salt['grains.item']('id', 'os'), {'id': 'web1', 'os': 'Debian'}) }}
{{- pair(salt['grains.item']('id', sanitize=true), {'id': 'minion'}) }}
{{- pair(salt['grains.filter_by']({'Debian': {'p': 1}, 'default': {'q': 2}}, grain='os', base='default'), {'p': 1, 'q': 2}) }}
{{- pair(salt['grains.filter_by']({'default': 'd'}, merge={}), 'd') }}
{{- pair(salt['grains.append']('roles', 'web'), {'roles': ['web']}) }}
{{- pair(salt['grains.setval']('deep', {'x': 1}), {'deep': {'x': 1}}) }}
{{- pair(salt['grains.set']('deep:y', 2), {'deep:y': 2}) }}
{{- pair(salt['grains.delval']('deep'), {'deep': none}) }}
{{- pair(salt['slsutil.renderer']('salt://lib/data.yaml'), {'a': 2, 'who': 'web1'}) }}
{{- pair(salt['slsutil.renderer'](string='#!jinja | yaml\na: {{ x }}', x=3), {'a': 3}) }}
{{- pair(salt['slsutil.serialize']('json', {'a': 1}), '{"a": 1}') }}
{{- pair(salt['slsutil.deserialize']('yaml', 'a: [1]'), {'a': [1]}) }}
{{- pair(salt['slsutil.merge']({'a': {'b': 1}}, {'a': {'c': [1]}}), {'a': {'b': 1, 'c': [1]}}) }}
{{- pair(salt['slsutil.merge']({'a': [1]}, {'a': [2]}, strategy='aggregate'), {'a': [1, 2]}) }}
{{- pair(salt['slsutil.merge_all']([{'a': 1}, {'b': 2}]), {'a': 1, 'b': 2}) }}
{{- pair(salt['slsutil.update']({'a': {'b': 1}}, {'a': {'c': 2}}), {'a': {'b': 1, 'c': 2}}) }}
{{- pair(salt['slsutil.boolstr']('yes', 'on', 'off'), 'on') }}
{{- pair(salt['slsutil.banner'](width=20, title='T', text='x').splitlines() | length, 5) }}
{{- pair(salt['slsutil.findup']('lib/deep', 'data.txt'), 'lib/data.txt') }}
{{- pair([salt['slsutil.file_exists']('top.sls'), salt['slsutil.dir_exists']('nix'), salt['slsutil.path_exists']('lib')], [true, false, true]) }}
{{- pair(salt['defaults.merge']({'a': {'x': 1}}, {'a': {'y': 2}}), {'a': {'x': 1, 'y': 2}}) }}
{{- pair(salt['state.sls_exists']('forms'), true) }}
{{- pair(salt['state.sls_exists']('nix'), false) }}
{{- pair(salt['test.arg'](1, a=2), {'args': [1], 'kwargs': {'a': 2}}) }}
{{- pair(salt['file.join']('/etc', 'x', '/y'), '/etc/x/y') }}
{{- pair([salt['file.basename']('/a/b'), salt['file.dirname']('/a/b'), salt['file.normpath']('/a/./b/../c')], ['b', '/a', '/a/c']) }}
{{- pair([salt['file.access']('/etc/passwd', 'r'), salt['file.path_exists_glob']('/etc/pass*'), salt['file.path_exists_glob']('/nix*')], [true, true, false]) }}
{{- pair(salt['file.grep']('/etc/passwd', '^root:').retcode, 0) }}
{{- pair(salt['file.grep']('/etc/passwd', 'ROOT:', '-i', '-c').stdout != '0', true) }}
{{- pair(salt['file.find'](kept, name='*.json', type='f') | map('file_hashsum') | unique | length, 1) }}
{{- pair(salt['file.find'](kept, type='d', maxdepth=1) | sort, [kept, kept ~ '/a', kept ~ '/lib']) }}
{{- pair(salt['file.find']('/nix'), []) }}
{{- pair([salt['file.get_uid']('/etc/passwd'), salt['file.user_to_uid']('root'), salt['file.lstat']('/etc/passwd').st_uid], [0, 0, 0]) }}
{{- pair([salt['environ.get']('NIX', 'd'), salt['environ.has_value']('NIX'), salt['environ.item'](['NIX'])], ['d', false, {'NIX': ''}]) }}
{{- pair(salt['hashutil.digest']('x', 'sha256') == 'x' | sha256, true) }}
{{- pair([salt['hashutil.base64_b64encode']('get salted'), salt['hashutil.base64_b64decode']('Z2V0IHNhbHRlZA==')], ['Z2V0IHNhbHRlZA==', 'get salted']) }}
{{- pair(salt['hashutil.hmac_signature']('get salted', 'shared secret', 'eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ='), true) }}
{{- pair([salt['pkg.version_cmp']('1.2-1', '1.10-1'), salt['pkg.version_cmp']('1:1', '2')], [-1, 1]) }}
{{- pair([salt['network.in_subnet']('127.0.0.0/8'), salt['network.ip_in_subnet']('10.1.2.3', '10.0.0.0/8')], [true, true]) }}
{{- pair([salt['network.is_private']('10.0.0.1'), salt['network.is_loopback']('::1')], [true, true]) }}
{{- pair([salt['network.interface_ip']('lo'), salt['network.hw_addr']('lo')], ['127.0.0.1', '00:00:00:00:00:00']) }}
{{- pair(salt['network.get_hostname']() | length > 0, true) }}
{{- pair(salt['network.subnets']('lo'), []) }}
