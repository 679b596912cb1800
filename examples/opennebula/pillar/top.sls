base:
  'on-*':
    - oneadmin
  'on-filer*':
    - role.filer
  'on-master*':
    - role.master
  'on-node*':
    - role.node
