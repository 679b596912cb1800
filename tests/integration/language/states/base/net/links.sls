"{{ sls }}|{{ slspath }}|{{ slsdotpath }}|{{ slscolonpath }}|{{ sls_path }}|{{ tplfile }}|{{ tpldir }}|{{ tpldot }}|{{ saltenv }}": test.nop
tplpath:
  test.show_notification:
    - text: {{ tplpath }}
