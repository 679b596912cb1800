"""State functions, one file a namespace. They plan; they never act."""
