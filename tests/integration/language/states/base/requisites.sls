include:
  - .forms
changed: test.succeed_with_changes
unchanged: test.succeed_without_changes
failed: test.fail_without_changes
{% for kind, ref in [('require', 'changed'), ('watch', 'changed'), ('onchanges', 'changed'), ('onfail', 'failed'),
                     ('listen', 'changed'), ('onchanges', 'unchanged'), ('onfail', 'changed'), ('require', 'failed')] %}
{{ kind }}-{{ ref }}:
  test.nop:
    - {{ kind }}:
      - test: {{ ref }}
{{ kind }}-in-{{ ref }}:
  test.nop:
    - {{ kind }}_in:
      - test: takes-{{ kind }}-{{ ref }}
takes-{{ kind }}-{{ ref }}: test.nop
{% endfor %}
{% for kind in ['require_any', 'watch_any', 'onchanges_any', 'onfail_any', 'onfail_all', 'onchanges_all'] %}
{{ kind }}:
  test.nop:
    - {{ kind }}:
      - test: changed
      - test: failed
{% endfor %}
before-prereq:
  test.nop:
    - prereq:
      - test: changes-later
changes-later: test.succeed_with_changes
changes-behind-it:
  test.succeed_with_changes:
    - prereq_in:
      - test: runs-before-it
runs-before-it: test.succeed_with_changes
by-id:
  test.nop:
    - require: [changed, two-namespaces]
by-glob:
  test.nop:
    - require:
      - test: '*-form'
by-name:
  test.nop:
    - require:
      - test: one
by-sls:
  test.nop:
    - require:
      - sls: forms
by-sls-glob:
  test.nop:
    - require:
      - sls: 'for*'
