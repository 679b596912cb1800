base:
  'on-*':
    - oneadmin
  'on-filer*':
    - role.filer
    - images
  'on-master*':
    - role.master
    - containers
  'on-node*':
    - role.node
    - vnets
  'on-node1':
    - guests
