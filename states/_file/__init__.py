"""Parts of the states `file`."""
