"""The agent on a node: connection, job workers, outbox and grains."""
