# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split("/")[0] %}
{%- set sls_config_file = tplroot ~ ".config.file" %}
{%- from tplroot ~ "/map.jinja" import mapdata as greeter with context %}

include:
  - {{ sls_config_file }}
{%- for name, user in greeter.users | dictsort if user.greet %}

greeter-greeting-{{ name }}:
  file.managed:
    - name: {{ greeter.prefix }}/greetings/{{ name }}
    - contents: {{ (greeter.settings.words.morning ~ ", " ~ name) | yaml_dquote }}
    - makedirs: true
    - require:
      - sls: {{ sls_config_file }}
{%- endfor %}
