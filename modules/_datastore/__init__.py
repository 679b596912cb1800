"""The datastores of the node."""
