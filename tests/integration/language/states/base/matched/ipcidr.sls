ipcidr: test.nop
