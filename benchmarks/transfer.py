"""MB/s of a 100 MB file to one minion, the full path with encryption and verification, beside a bare CURVE echo's.

The echo moves the same bytes in the same chunks from a ROUTER to one DEALER, with as many chunks under way. The two
take turns, so that what else the machine does falls on both, and the median of each counts; the first turn warms up.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event as EventType

import zmq

from benchmarks.commands import real_minions
from benchmarks.place import free_port, master
from benchmarks.report import report
from saltern.wire import sockets
from saltern.wire.keys import new_pair
from saltern.wire.messages import CHUNK_BYTES, MAX_FILES_BYTES
from saltern.wire.transfer import WINDOW_BYTES

ROUNDS = 5
SIZE = 100 * 1000 * 1000
WINDOW = WINDOW_BYTES // CHUNK_BYTES + 1  # a sender stops after the chunk that uses up its credit


@contextmanager
def file_transfer() -> Iterator[Callable[[], float]]:
    """Seconds from the command to the file in place, each time anew; the tree is published before."""
    with master(1) as place:
        source = place.root / "srv/saltern/states/big.bin"
        source.write_bytes(os.urandom(SIZE))
        with real_minions(place):
            place.publish("cp.list_master")  # publishes the tree: each file is encrypted once, not for each minion

            def transfer() -> float:
                target = place.root / "big.copy"
                target.unlink(missing_ok=True)
                for cached in (place.root / "minions").glob("*/var/lib/saltern/minion/cache/files"):
                    shutil.rmtree(cached)
                began = time.perf_counter()
                events = place.publish("cp.get_file", "salt://big.bin", str(target))
                took = time.perf_counter() - began
                if target.read_bytes() != source.read_bytes():
                    raise RuntimeError(f"the file did not arrive: {events}")
                return took

            yield transfer


def _receive(port: int, server: bytes, done: EventType) -> None:
    context = sockets.new_context()
    dealer = sockets.client(context, new_pair(), server, max_bytes=MAX_FILES_BYTES, high_water=1000)
    dealer.connect(f"tcp://127.0.0.1:{port}")
    dealer.send(b"start")
    got = 0
    while got < SIZE:
        got += len(dealer.recv(copy=False))
        dealer.send(b"more")
    done.set()
    context.destroy(linger=500)


def echo() -> float:
    """Seconds that the same bytes take without Saltern."""
    spawn = multiprocessing.get_context("spawn")  # a forked one could inherit a lock of ZeroMQ
    done = spawn.Event()
    pair, port = new_pair(), free_port()
    context = sockets.new_context()
    router = context.socket(zmq.ROUTER)
    router.curve_server = True
    router.curve_publickey, router.curve_secretkey = pair.z85
    router.bind(f"tcp://127.0.0.1:{port}")
    router.rcvtimeo = 60_000
    peer = spawn.Process(target=_receive, args=(port, pair.public, done))
    peer.start()
    route = router.recv_multipart()[0]
    data = os.urandom(CHUNK_BYTES)
    began = time.perf_counter()
    sent, credit = 0, WINDOW
    while sent < SIZE:
        while credit and sent < SIZE:
            router.send_multipart((route, data), copy=False)
            sent += len(data)
            credit -= 1
        if sent < SIZE:
            router.recv_multipart()
            credit += 1
    done.wait(60)
    took = time.perf_counter() - began
    context.destroy(linger=0)
    peer.join(10)
    return took


def main() -> None:
    """The echo's rate over the file's: at most 2.5, which is at least 40 % of the echo."""
    with file_transfer() as transfer:
        turns = [(echo(), transfer()) for _ in range(ROUNDS + 1)][1:]
    bare, file = (SIZE / 1e6 / statistics.median(times) for times in zip(*turns, strict=True))
    report(
        "100 MB file to one minion (seconds a GB, beside the echo's)",
        measured=1000 / file,
        base=1000 / bare,
        unit="s/GB",
        limit=2.5,
        file_mb_s=round(file, 1),
        echo_mb_s=round(bare, 1),
    )


if __name__ == "__main__":
    main()
