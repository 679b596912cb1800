# LXC containers: the front end's services live in one, on the administration network, with the images datastore.
include:
  - network
  - nfs.datastores

lxc:
  pkg.installed: []
  service.enabled:  # starts the containers at boot
    - require:
      - pkg: lxc

# The containers have br43; LXC's own bridge would only hold up the boot.
/etc/default/lxc-net:
  file.managed:
    - contents: USE_LXC_BRIDGE="false"

{% for name, guest in pillar.get('containers', {}).items() %}
{{ name }}:
  lxc.running:
    {%- for argument, value in guest.items() %}
    - {{ argument }}: {{ value | tojson }}
    {%- endfor %}
    - autostart: True
    - require:
      - pkg: lxc
      - bridge: br43
      - mount: /var/lib/one/datastores/100
{% endfor %}
