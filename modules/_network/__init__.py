"""The network as the kernel has it and as users say it."""
