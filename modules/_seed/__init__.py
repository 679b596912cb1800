"""The volumes that tell a new guest who it is: NoCloud seeds and OpenNebula's context."""
