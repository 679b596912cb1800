"""A program of its own: exits with 0 when KVM runs a guest of a few instructions to its end.

On x86-64 the guest starts in long mode with paging, as the kernels of guests do, writes a byte to a port and halts.
Elsewhere a virtual machine and a virtual processor are made. Source: the kernel's Documentation/virt/kvm/api.rst and
its asm/kvm.h. It uses nothing but the standard library, so it starts in a few milliseconds with `python -I -S`.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from fcntl import ioctl

_API_VERSION = 12
_GET_API_VERSION, _CREATE_VM, _GET_VCPU_MMAP_SIZE = 0xAE00, 0xAE01, 0xAE04
_CREATE_VCPU, _RUN, _SET_USER_MEMORY_REGION = 0xAE41, 0xAE80, 0x4020AE46
_GET_REGS, _SET_REGS, _GET_SREGS, _SET_SREGS = 0x8090AE81, 0x4090AE82, 0x8138AE83, 0x4138AE84
_EXIT_IO, _EXIT_HLT = 2, 5

_MEMORY = 0x6000
_PML4, _PDPT, _PD, _CODE = 0x1000, 0x2000, 0x3000, 0x4000
_PROGRAM = bytes.fromhex("b042 e610 f4")  # mov al, 'B'; out 0x10, al; hlt


def main() -> int:
    """0 when a guest ran, 1 when not."""
    try:
        return 0 if runs() else 1
    except OSError:
        return 1


def runs() -> bool:
    """Whether KVM runs a guest. OSError where it refuses. It hangs where the guest does: a parent must watch it."""
    system = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    if ioctl(system, _GET_API_VERSION, 0) != _API_VERSION:
        return False
    machine = ioctl(system, _CREATE_VM, 0)
    if os.uname().machine != "x86_64":
        return ioctl(machine, _CREATE_VCPU, 0) >= 0
    memory = mmap.mmap(-1, _MEMORY)
    struct.pack_into("<Q", memory, _PML4, _PDPT | 0x3)  # present, writable
    struct.pack_into("<Q", memory, _PDPT, _PD | 0x3)
    struct.pack_into("<Q", memory, _PD, 0x83)  # one page of 2 MiB from address 0
    memory[_CODE : _CODE + len(_PROGRAM)] = _PROGRAM
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    ioctl(machine, _SET_USER_MEMORY_REGION, struct.pack("=IIQQQ", 0, 0, 0, _MEMORY, address))
    processor = ioctl(machine, _CREATE_VCPU, 0)
    shared = mmap.mmap(processor, ioctl(system, _GET_VCPU_MMAP_SIZE, 0))  # struct kvm_run
    _enter_long_mode(processor)
    return _next_exit(processor, shared) == _EXIT_IO and _next_exit(processor, shared) == _EXIT_HLT


def _enter_long_mode(processor: int) -> None:
    special = bytearray(312)  # struct kvm_sregs: 8 segments of 24 bytes, 2 tables of 16, then the control registers
    ioctl(processor, _GET_SREGS, special)
    for number, (selector, kind, is_code) in enumerate([(8, 11, 1), *[(16, 3, 0)] * 5]):
        segment = (0, 0xFFFFFFFF, selector, kind, 1, 0, 1 - is_code, 1, is_code, 1, 0, 0, 0)
        struct.pack_into("<QIH10B", special, 24 * number, *segment)
    # cr0: paging, protection; cr3; cr4: physical address extension; efer: long mode enabled and active
    struct.pack_into("<6Q", special, 224, 0x80050033, 0, _PML4, 0x20, 0, 0x500)
    ioctl(processor, _SET_SREGS, special)
    general = bytearray(144)  # struct kvm_regs: 16 registers, rip, rflags
    ioctl(processor, _GET_REGS, general)
    struct.pack_into("<2Q", general, 128, _CODE, 0x2)
    ioctl(processor, _SET_REGS, general)


def _next_exit(processor: int, shared: mmap.mmap) -> int:
    ioctl(processor, _RUN, 0)
    reason: int = struct.unpack_from("=I", shared, 8)[0]
    return reason


if __name__ == "__main__":
    sys.exit(main())
