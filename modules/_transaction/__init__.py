"""What a network transaction keeps, touches, proves and ends with."""
