# The datastores that this host uses: the front end only the images, a node all three.
include:
  - network

nfs-common:
  pkg.installed

{% for id, device in pillar['datastores'].items() %}
/var/lib/one/datastores/{{ id }}:
  mount.mounted:
    - device: {{ device }}
    - fstype: nfs4
    - opts: defaults
    - mkmnt: True
    - persist: True
    - require:
      - pkg: nfs-common
      - bridge: br43
{% endfor %}
