# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split("/")[0] %}
{%- from tplroot ~ "/map.jinja" import mapdata as greeter with context %}

greeter-clean-config:
  file.absent:
    - names:
      - {{ greeter.prefix }}/{{ greeter.config }}
      - {{ greeter.prefix }}/greetings
