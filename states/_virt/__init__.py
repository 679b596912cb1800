"""Parts of the states `virt`."""
