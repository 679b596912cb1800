"""Parts of the states `lxc`."""
