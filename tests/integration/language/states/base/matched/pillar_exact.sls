pillar_exact: test.nop
