# Virtual networks for guests: each guest gets an address of the range, leased on the master.
vnet:
  NetPrivVMs:
    bridge: br46
    network: 10.1.16.0/20
    range: 10.1.16.10+50
    gateway: 10.1.31.254
    dns: [192.168.43.251]
