import subprocess
import sys

from tests.patience import WAIT_S

BLOCKS = """
import resource
from saltern.wire import memory
if {keep}:
    memory.keep_freed()

def blocks():
    for _ in range(200):
        a, b = bytearray(1 << 20), bytearray(1 << 20)
        a[::4096], b[::4096] = b"x" * 256, b"x" * 256
        del a, b

blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
blocks()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep: bool) -> int:
    """Page faults of a process that takes and frees 400 MiB in blocks of the size of a message."""
    script = BLOCKS.format(keep=keep)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=WAIT_S)
    return int(done.stdout)


def test_blocks_of_a_messages_size_are_not_taken_from_the_kernel_each_time() -> None:
    assert faults(keep=True) < 5_000
