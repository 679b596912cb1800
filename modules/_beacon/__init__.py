"""What a node can watch of itself."""
