# Which host gets which states. A new node is on-node3: nothing changes here.
base:
  'on-*':
    - oneadmin
    - network
  'on-filer*':
    - nfs.server
  'on-master* or on-node*':
    - match: compound
    - nfs.datastores
