network:
  trunk: eno1
  vlans:
    eno1.43:
      id: 43
      addresses: [192.168.43.252/24]
      gateway: 192.168.43.254

store:
  network: 192.168.43.0/24
  exports:
    - path: /store/one
      options: [rw, sync, fsid=0, no_subtree_check]
    - path: /store/one/images
      options: [rw, sync, no_subtree_check]
    - path: /store/one/system
      options: [rw, sync, no_subtree_check]
    - path: /store/one/files
      options: [rw, sync, no_subtree_check]
