"""The engine: requisites, plan, apply, verify."""
