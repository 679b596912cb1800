# Guests and who may log in to them.
guests:
  Test-Deb11:
    image: debian-11
    vnet: NetPrivVMs
    memory: 2G
    vcpus: 1
    size: 10G

ssh_keys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA replace-this-key
