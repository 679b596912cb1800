# A hypervisor: on-nodeN is 192.168.43.N. Its guests live on VLAN 46, where the node itself has no address.
{% set number = grains['id'] | replace('on-node', '') | int %}

network:
  trunk: eno1
  vlans:
    eno1.43: {id: 43}
    eno1.46: {id: 46}
  bridges:
    br43:
      port: eno1.43
      addresses: [192.168.43.{{ number }}/24]
      gateway: 192.168.43.254
    br46:
      port: eno1.46
      addresses: []

datastores:
  '100': on-filer1:/images
  '101': on-filer1:/system
  '102': on-filer1:/files
