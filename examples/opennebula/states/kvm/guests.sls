# KVM guests: a disk on the system datastore, made of an image; an address of the guests' network; a key that lets in.
include:
  - kvm

{% for name, guest in pillar.get('guests', {}).items() %}
disk of {{ name }}:
  disk.present:
    - name: {{ name }}.qcow2
    - datastore: 101
    - image: {{ guest.image }}.qcow2
    - image_datastore: 100
    - size: {{ guest.size }}
    - persistent: {{ guest.persistent | default(False) }}
    - user: oneadmin
    - group: oneadmin
    - retry:  # the filer brings the image in the same run
        attempts: 20
        interval: 2
    - require:
      - datastore: datastore 100
      - datastore: datastore 101

{{ name }}:
  virt.running:
    - memory: {{ guest.memory }}
    - vcpus: {{ guest.vcpus }}
    {%- for argument, value in guest.get('more', {}).items() %}
    - {{ argument }}: {{ value | tojson }}
    {%- endfor %}
    - disks:
      - path: /var/lib/one/datastores/101/{{ name }}.qcow2
        format: qcow2
    - interfaces:
      - vnet: {{ guest.vnet }}
    - graphics: vnc
    - cloud_init:
        hostname: {{ name }}
        ssh_keys: {{ pillar['ssh_keys'] | tojson }}
    - autostart: True
    - require:
      - service: libvirtd
      - bridge: {{ pillar['vnet'][guest.vnet].bridge }}
      - disk: disk of {{ name }}
{% endfor %}
