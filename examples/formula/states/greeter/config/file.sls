# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split("/")[0] %}
{%- from tplroot ~ "/map.jinja" import mapdata as greeter with context %}
{%- from tplroot ~ "/libtofs.jinja" import files_switch with context %}

greeter-config-file-managed:
  file.managed:
    - name: {{ greeter.prefix }}{{ greeter.separator }}{{ greeter.config }}
    - source:
      {{ files_switch(["greeter.conf.jinja"]) }}
    - template: jinja
    - mode: '0644'
    - makedirs: true
    - context:
        greeter: {{ greeter | json }}
