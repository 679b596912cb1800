"""Whether KVM works on this node, found by using it.

/dev/kvm may be there and be of no use: inside some virtual machines each exit costs so much that a guest's kernel never
comes up. So a guest of one sector runs under `-accel kvm`: its firmware starts it, it waits for two ticks of the timer
and says so. Where KVM works that takes a fraction of CPU_S seconds of processor time, which is what is counted: a busy
node takes longer by the clock, but not by that.
"""

from __future__ import annotations

import os
from functools import cache

from modules._run import CommandError, run, which

CPU_S = 3
WALL_S = 20.0
QEMU = "qemu-system-x86_64"
ANSWER = 0x10  # what the sector writes to the port of isa-debug-exit, which ends QEMU with ANSWER * 2 + 1
_PORT = 0xF4
_CODE = bytes.fromhex(
    "fa31c08ed8"  # cli; xor ax, ax; mov ds, ax
    "fb66a16c04"  # sti; mov eax, [0x46c]: the BIOS's count of timer ticks (IBM PC BIOS data area)
    "6683c002"  # add eax, 2
    "f4663b066c0477f8"  # again: hlt; cmp eax, [0x46c]; ja again
    "b010e6f4"  # mov al, ANSWER; out 0xf4, al
    "f4ebfd"  # hlt, for ever
)


def boot_sector() -> bytes:
    """The guest: 512 bytes that end with the mark of a boot sector."""
    return _CODE.ljust(510, b"\0") + b"\x55\xaa"


@cache
def works() -> bool:
    """Whether a guest runs under KVM here. It is asked once a process and takes CPU_S seconds of processor time at
    most; False on a processor that is no x86, where it can't be tried."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or which(QEMU) is None or which("prlimit") is None:
        return False
    return runs("kvm")


def runs(accelerator: str) -> bool:
    """Whether the sector answers under this accelerator of QEMU ("kvm", "tcg")."""
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="saltern-kvm-") as file:
        file.write(boot_sector())
        file.flush()
        drive = f"file={file.name},format=raw,if=floppy,readonly=on"
        argv = ["prlimit", f"--cpu={CPU_S}:{CPU_S + 1}", QEMU, "-accel", accelerator]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-net", "none", "-m", "16", "-drive", drive]
        argv += ["-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1", "-boot", "a"]
        try:
            return run(argv, timeout_s=WALL_S).code == ANSWER * 2 + 1
        except CommandError:
            return False
