#!jinja | json
{"from {{ sls }}": {"test.show_notification": [{"text": {{ "quoted \"text\"" | json }}}]}}
