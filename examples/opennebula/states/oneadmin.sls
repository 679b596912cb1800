# The account that owns all datastores. NFS compares numbers, so they are the same on each host.
{% set account = pillar['oneadmin'] %}

oneadmin:
  group.present:
    - gid: {{ account.gid }}
    - system: True
  user.present:
    - uid: {{ account.uid }}
    - gid: {{ account.gid }}
    - home: /var/lib/one
    - createhome: False
    - shell: /bin/bash
    - system: True
    - require:
      - group: oneadmin

/var/lib/one:
  file.directory:
    - user: oneadmin
    - group: oneadmin
    - mode: '0755'
    - require:
      - user: oneadmin
