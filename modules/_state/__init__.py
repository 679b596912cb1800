"""What `state` does beside runs of the tree."""
