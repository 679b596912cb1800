include:
  - net
  - dev: there
  - .forms
extend:
  short-form:
    test:
      - require:
        - test: extended-in
  dotted-arguments:
    test.show_notification:
      - text: replaced
exclude:
  - id: old-form
  - sls: net.gone
extended-in: test.nop
