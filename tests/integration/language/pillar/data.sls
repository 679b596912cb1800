dir: {{ grains.dir }}
role: web
deep: {a: {b: [1, 2]}}
hosts.file: {{ grains.dir }}/hosts
