#!yaml
include: [.python]
'{{ not rendered }}': test.nop
