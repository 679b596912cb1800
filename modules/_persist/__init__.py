"""What of the network survives a reboot, by each that can keep it."""
