"""Orchestrations: SLS of the master's tree that are run by the master itself and act on targets.

`load` compiles one, `run` goes through its states, `doing` does what a state asks for, `judge` says how that went and
`awaited` waits for events. The words of the SLS are `saltern.orchestration`.
"""
