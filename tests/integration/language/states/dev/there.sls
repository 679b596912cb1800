there-{{ saltenv }}: test.nop
