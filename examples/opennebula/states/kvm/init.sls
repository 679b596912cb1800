# A hypervisor: QEMU and libvirt, and the datastores by the names that guests use.
include:
  - oneadmin
  - network
  - nfs.datastores

hypervisor:
  pkg.installed:
    - pkgs:
      - qemu-system-x86
      - qemu-utils
      - libvirt-daemon-system

# The datastores belong to oneadmin, and the filer lets nobody write there as root: so QEMU runs as oneadmin.
/etc/libvirt/qemu.conf:
  file.append:
    - text:
      - user = "oneadmin"
      - group = "oneadmin"
      - dynamic_ownership = 0
    - require:
      - pkg: hypervisor
      - user: oneadmin

libvirtd:
  service.running:
    - enable: True
    - require:
      - pkg: hypervisor
    - watch:
      - file: /etc/libvirt/qemu.conf

{% for id, kind in [('100', 'image'), ('101', 'system'), ('102', 'file')] %}
datastore {{ id }}:
  datastore.present:
    - name: {{ id }}
    - kind: {{ kind }}
    - path: /var/lib/one/datastores/{{ id }}
    - mount: {{ pillar['datastores'][id] }}
    - require:
      - mount: /var/lib/one/datastores/{{ id }}
{% endfor %}
