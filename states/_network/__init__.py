"""What the states of interfaces share."""
