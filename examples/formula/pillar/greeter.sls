greeter:
  lookup:
    prefix: {{ grains.get('greeter_prefix', '/tmp/greeter') }}
  settings:
    words:
      morning: Good morning
  users:
    ann: {shell: /bin/zsh}
    bob:
