# The images that guests are made of, where the filer has them on its own disk; the nodes see them as datastore 100.
include:
  - nfs.server

{% for name, image in pillar.get('images', {}).items() %}
/store/one/images/{{ name }}.qcow2:
  image.present:
    - source: {{ image.source }}
    {%- if 'source_hash' in image %}
    - source_hash: {{ image.source_hash }}
    {%- endif %}
    - user: oneadmin
    - group: oneadmin
    - require:
      - file: /store/one/images
{% endfor %}
