"""Code that a state tree brings: execution modules, states, grains and runners beside the built-in ones.

`_modules/NAME.py`, `_states/NAME.py`, `_grains/NAME.py`, `_utils/NAME.py` are synced to the minion by digest and loaded
in the process that runs a job, never in the agent; `_runners/NAME.py` run in a process of their own on the master. A
file that imports anything of `saltern` is in Saltern's own typed form; any other is Salt's (see `saltern.compat`).
"""
