"""Where returns go beside the store: a file, a webhook, PostgreSQL, Redis (the master's option `returners`).

    returners:
      file: {path: /var/log/saltern/returns.jsonl}
      web: {url: 'https://collector.example/returns', headers: {Authorization: 'Bearer …'}, timeout: 5}
      base: {postgresql: 'host=db.example dbname=saltern user=saltern', password: '…'}
      cache: {redis: 'rediss://cache.example:6380/0', password: '…'}

What is to be delivered is told by the store (`outbox`): an end and its turn to be delivered are one transaction. Each
returner has a thread of its own that reads from there, so one whose server is away keeps no job and no other returner
waiting, takes no memory, and goes on where it was, also after a restart of the master.
"""
