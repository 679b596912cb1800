# One link a host, an 802.1Q trunk: a VLAN interface for each network, and a bridge where guests are to be attached.
{% set network = pillar['network'] %}

8021q:
  kmod.present:
    - persist: True

{% for name, vlan in network.vlans.items() %}
{{ name }}:
  vlan.present:
    - parent: {{ network.trunk }}
    - id: {{ vlan.id }}
    {%- if 'addresses' in vlan %}
    - addresses: {{ vlan.addresses | tojson }}
    {%- endif %}
    {%- if 'gateway' in vlan %}
    - gateway: {{ vlan.gateway }}
    {%- endif %}
    - require:
      - kmod: 8021q
{% endfor %}

# No waiting for other bridges: a guest has its network at once.
{% for name, bridge in network.get('bridges', {}).items() %}
{{ name }}:
  bridge.present:
    - ports: [{{ bridge.port }}]
    - stp: False
    - forward_delay: 0
    - addresses: {{ bridge.addresses | tojson }}
    {%- if 'gateway' in bridge %}
    - gateway: {{ bridge.gateway }}
    {%- endif %}
    - require:
      - vlan: {{ bridge.port }}
{% endfor %}
