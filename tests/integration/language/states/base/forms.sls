# The forms of a declaration, and the requisites that name one.
short-form: test.nop
mapping-form:
  test.nop: []
old-form:
  test:
    - nop
old-string-form:
  test: nop
dotted-arguments:
  test.show_notification:
    - text: Ünïcödé → ok
two-namespaces:
  test.nop: []
  cmd.run:
    - name: "true"
    - creates: [/, /etc]
named:
  test.show_notification:
    - names:
      - one
      - two:
        - text: its own
      - three: {text: as a mapping}
    - text: for all
last-of-all:
  test.nop:
    - order: last
first-of-all:
  test.nop:
    - order: first
numbered:
  test.nop:
    - order: 2
next-to-last:
  test.nop:
    - order: -2
used:
  test.show_notification:
    - text: taken over
uses:
  test.show_notification:
    - use:
      - test: used
used-inward:
  test.show_notification:
    - text: pushed over
    - use_in:
      - test: uses-inward
uses-inward:
  test.show_notification: []
