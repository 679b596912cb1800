# The whole platform in its order: saltern-run state.orchestrate orch.platform [test=True]
{% set at_once = pillar.get('at_once', '50%') %}
everybody is here:
  salt.function:
    - name: test.ping
    - tgt: 'on-*'

filer:
  salt.state:
    - tgt: 'on-filer*'
    - highstate: True
    - require:
      - salt: everybody is here

# Nodes mount what the filer exports.
nodes:
  salt.state:
    - tgt: 'on-node*'
    - highstate: True
    - batch: '{{ at_once }}'
    - failhard: True
    - require:
      - salt: filer

# The front end comes last, when there are nodes to command.
front end:
  salt.state:
    - tgt: 'on-master*'
    - highstate: True
    - require:
      - salt: nodes

tell who wants to know:
  salt.runner:
    - name: event.send
    - tag: platform/done
    - onchanges_any:
      - salt: filer
      - salt: nodes
      - salt: front end
