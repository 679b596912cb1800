{% set dir = pillar.dir %}
unless-command: {test.succeed_with_changes: [{unless: "true"}]}
unless-list: {test.succeed_with_changes: [{unless: ["true", "false"]}]}
unless-all: {test.succeed_with_changes: [{unless: ["true", "true"]}]}
onlyif-command: {test.succeed_with_changes: [{onlyif: "false"}]}
onlyif-list: {test.succeed_with_changes: [{onlyif: ["true", "false"]}]}
unless-function:
  test.succeed_with_changes:
    - unless:
      - fun: file.file_exists
        args: [/etc/passwd]
onlyif-function:
  test.succeed_with_changes:
    - onlyif:
      - fun: test.echo
        text: ''
onlyif-function-get-return:
  test.succeed_with_changes:
    - onlyif:
      - fun: test.arg
        args: [a, b]
        get_return: args:0
onlyif-function-positional:
  test.succeed_with_changes:
    - onlyif:
      - fun: match.grain
        tgt: 'os:Debian'
creates-one: {test.succeed_with_changes: [{creates: /etc/passwd}]}
creates-all: {test.succeed_with_changes: [{creates: [/etc/passwd, /etc/group]}]}
creates-some: {test.succeed_with_changes: [{creates: [/etc/passwd, /nope]}]}
check-cmd-fails: {test.succeed_with_changes: [{check_cmd: ["false"]}]}
check-cmd-holds: {test.succeed_with_changes: [{check_cmd: ["true"]}]}
retried:
  cmd.run:
    - name: echo x >> {{ dir }}/tries; test $(wc -l < {{ dir }}/tries) = 3
    - retry: {attempts: 5, interval: 0, splay: 0, until: True}
retried-listed:
  test.succeed_without_changes:
    - retry:
      - attempts: 2
      - interval: 0
parallel-one: {cmd.run: [{name: "true"}, {parallel: True}]}
parallel-two: {cmd.run: [{name: "true"}, {parallel: True}]}
run-as:
  cmd.run:
    - name: test "$(id -un)" = nobody
    - runas: nobody
with-umask:
  cmd.run:
    - name: test "$(umask)" = 0027
    - umask: '027'
failing-hard:
  test.fail_without_changes:
    - failhard: True
    - order: last
never-reached:
  test.nop:
    - order: last
    - require: [with-umask]
