# LXC containers of the front end's host: the arguments of `lxc.present`.
containers:
  on-buster:
    template: debian
    release: buster
    interfaces:
      - {bridge: br43, name: eth0, address: 192.168.43.250/24, gateway: 192.168.43.254}
    mounts:
      - {source: /var/lib/one/datastores/100, target: /var/lib/one/datastores/100}
    limits: {memory: 1G}
