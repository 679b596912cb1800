"""Execution modules, one file a namespace: the only code that touches the node."""
