# Which host gets which states. A new node is on-node3: nothing changes here.
base:
  'on-*':
    - oneadmin
    - network
  'on-filer*':
    - nfs.server
    - images
  'on-master* or on-node*':
    - match: compound
    - nfs.datastores
  'on-master*':
    - containers
  'on-node*':
    - kvm
    - kvm.guests
