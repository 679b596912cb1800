"""The network of the node as it was before a change, and the way back to it."""
