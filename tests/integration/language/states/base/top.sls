# Each matcher gives an SLS of its own name where it matches this minion.
base:
  'web*': [matched.glob]
  'web[0-9]': [{match: pcre}, matched.pcre]
  'os:Debian': [{match: grain}, matched.grain]
  'os:(Debian|Ubuntu)': [{match: grain_pcre}, matched.grain_pcre]
  'role:w*': [{match: pillar}, matched.pillar]
  'role:w.b': [{match: pillar_pcre}, matched.pillar_pcre]
  'role:web': [{match: pillar_exact}, matched.pillar_exact]
  'role:we*': [{match: pillar_exact}, matched.never]
  'db1,web1': [{match: list}, matched.list]
  '10.0.0.0/8': [{match: ipcidr}, matched.ipcidr]
  'G@os:Debian and E@web. and not L@web2,web3': [matched.compound]
  'edge': [{match: nodegroup}, matched.nodegroup]
  'db*': [matched.never]
dev:
  '*': [there]
