"""Mounts: what the kernel, fstab(5) and systemd say of them, and their proof."""
