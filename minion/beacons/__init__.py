"""Beacons: what a minion watches of its node and tells the master's bus, in a process of their own."""
