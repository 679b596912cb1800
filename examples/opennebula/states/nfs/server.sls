# The datastores, exported to the administration network. The first export is the root of what NFS 4 clients see.
{% set store = pillar['store'] %}

include:
  - oneadmin

nfs-kernel-server:
  pkg.installed

{% for export in store.exports %}
{{ export.path }}:
  file.directory:
    - user: oneadmin
    - group: oneadmin
    - mode: '0755'
    - makedirs: True
    - require:
      - user: oneadmin
  nfs_export.present:
    - clients:
        {{ store.network }}: {{ export.options | tojson }}
    - require:
      - file: {{ export.path }}
      - pkg: nfs-kernel-server
{% endfor %}

nfs-server:
  service.running:
    - enable: True
    - require:
      {%- for export in store.exports %}
      - nfs_export: {{ export.path }}
      {%- endfor %}
