# The front end: on the administration network, with a bridge for the container of its services.
network:
  trunk: eno1
  vlans:
    eno1.43: {id: 43}
  bridges:
    br43:
      port: eno1.43
      addresses: [192.168.43.253/24]
      gateway: 192.168.43.254

datastores:
  '100': on-filer1:/images
