"""Runs modules, states, grains and runners that were written for Salt, as they are.

What such a file expects to find is put in from outside: `__salt__`, `__grains__`, `__pillar__`, `__opts__`,
`__context__`, `__states__`, `__utils__`, and an `import salt...` that reaches the few modules of `saltern.compat.shim`.
Nothing of it is visible to the rest of Saltern, and no other package may lean on it.
"""
