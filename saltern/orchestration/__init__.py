"""The words of an orchestration: an SLS of the master's tree whose states act on targets.

`words` are its states as typed values, `check` says what an orchestration can't have. Both are pure, so that
`saltern-lint` knows them as the master does.
"""
