# What formulas do with files, data and names; all of it below the folder of the pillar.
{% set dir = pillar.dir ~ '/files' %}
{{ dir }}: {file.directory: [{makedirs: True}]}
{{ dir }}/managed:
  file.managed:
    - source: salt://lib/head.txt
    - template: jinja
    - mode: 0640
    - user: root
    - context: {port: 80}
{{ dir }}/serialized:
  file.serialize:
    - dataset: {b: [1, 2], a: {{ pillar.deep | json }}}
    - serializer: json
conf:
  file.managed:
    - name: {{ dir }}/conf
    - contents:
      - '# Port 22'
      - Root yes
    - replace: False
  host.present:
    - names: [kvm1, kvm2]
    - ip: 10.0.0.1
  ssh_auth.present:
    - names:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ann
    - user: root
    - config: {{ dir }}/keys
uncomment: {file.uncomment: [{name: {{ dir }}/conf}, {regex: ^Port}, {require: [{file: conf}]}]}
comment: {file.comment: [{name: {{ dir }}/conf}, {regex: ^Root}, {require: [{file: conf}]}]}
line: {file.line: [{name: {{ dir }}/conf}, {mode: ensure}, {content: Login no}, {after: ^Port}]}
replace: {file.replace: [{name: {{ dir }}/conf}, {pattern: '^Port .*'}, {repl: Port 23}]}
keyvalue: {file.keyvalue: [{name: {{ dir }}/conf}, {key: Level}, {value: 3}, {append_if_not_found: True}]}
append: {file.append: [{name: {{ dir }}/conf}, {text: [one, two]}]}
prepend: {file.prepend: [{name: {{ dir }}/conf}, {text: first}]}
block:
  file.blockreplace:
    - name: {{ dir }}/conf
    - content: inside
    - append_if_not_found: True
copied: {file.copy: [{name: {{ dir }}/copy}, {source: {{ dir }}/managed}]}
linked: {file.symlink: [{name: {{ dir }}/link}, {target: managed}]}
recursed: {file.recurse: [{name: {{ dir }}/lib}, {source: salt://lib}, {file_mode: keep}]}
touched: {file.touch: [{name: {{ dir }}/touched}, {mtime: 1000}]}
there: {file.exists: [{name: {{ dir }}/conf}]}
gone: {file.absent: [{name: {{ dir }}/nix}]}
missing: {file.missing: [{name: {{ dir }}/nix}]}
grain: {grains.present: [{name: 'site:room'}, {value: b}]}
grain-list: {grains.list_present: [{name: roles}, {value: kvm}]}
joined-one: {test.succeed_without_changes: [{aggregate: True}]}
