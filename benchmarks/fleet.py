"""`test.ping` to 100 and 1,000 simulated minions, the full path with the store, beside a bare CURVE echo to as many.

The minions are the agent's real code: connection, journal, returns; hundreds of them in each of two processes. The
echo is what ZeroMQ itself costs: one ROUTER, as many DEALER peers in as many processes, CURVE on all.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import subprocess
import sys
import time

import zmq

from benchmarks.agents import PROCESSES, raise_limit, simulated
from benchmarks.place import free_port, master
from benchmarks.report import report
from saltern.wire import sockets
from saltern.wire.keys import KeyPair, new_pair

ROUNDS = 7
PAIRS = 3  # of fleet and echo, one after the other: the machine is not equally fast all the time


def ping_ms(count: int) -> float:
    """The median time of `test.ping` to COUNT minions, from the request to the last return."""
    with master(count) as place, simulated(place):
        times = []
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            events = place.publish("test.ping")
            times.append((time.perf_counter() - began) * 1000)
            good = sum(1 for event in events if event.get("event") == "return" and event.get("return") is True)
            if good != count:
                raise RuntimeError(f"{good} of {count} minions answered")
        return statistics.median(times[1:])


def _await_listener(port: int) -> None:
    """Wait until somebody listens: a peer connects once, and does not come again where nobody does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            return


def _echoes(port: int, server: bytes, keys: list[KeyPair], size: int) -> None:
    raise_limit()
    _await_listener(port)
    context = sockets.new_context()
    poller = zmq.Poller()
    for key in keys:
        dealer = sockets.client(context, key, server, max_bytes=1 << 20, high_water=1000)
        dealer.connect(f"tcp://127.0.0.1:{port}")
        dealer.send(b"here")
        poller.register(dealer, zmq.POLLIN)
    while True:  # until it is terminated
        for dealer, _ in poller.poll():
            message = dealer.recv()
            dealer.send(b"x" * size if size else message)


def echo_ms(count: int, size: int = 0) -> float:
    """The median time of one message to each of COUNT peers and its echo, or a message of SIZE bytes instead."""
    raise_limit()
    fork = multiprocessing.get_context("fork")
    pair, port = new_pair(), free_port()
    keys = [new_pair() for _ in range(count)]
    workers = [
        fork.Process(target=_echoes, args=(port, pair.public, keys[part::PROCESSES], size)) for part in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    context = sockets.new_context()
    router = context.socket(zmq.ROUTER)
    router.curve_server = True
    router.curve_publickey, router.curve_secretkey = pair.z85
    router.setsockopt(zmq.BACKLOG, 4096)  # a peer that finds no room does not come again
    router.bind(f"tcp://127.0.0.1:{port}")
    try:
        routes = [router.recv_multipart()[0] for _ in range(count)]
        times = []
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            for route in routes:
                router.send_multipart((route, b"a message of a usual size, as a job is: " + b"x" * 60))
            for _ in range(count):
                router.recv_multipart()
            times.append((time.perf_counter() - began) * 1000)
        return statistics.median(times[1:])
    finally:
        for worker in workers:
            worker.terminate()
        context.destroy(linger=0)


def _alone(what: str, count: int) -> float:
    """Run one measurement in a process of its own, so that it forks before it has used ZeroMQ."""
    argv = [sys.executable, "-m", "benchmarks.fleet", what, str(count)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=180)
    return float(done.stdout)


def main(words: list[str]) -> None:
    """Both fleets; the limit holds for the larger one. With `echo N` or `ping N`: that measurement alone."""
    if words:
        raise_limit()
        print({"echo": echo_ms, "ping": ping_ms}[words[0]](int(words[1])))
        return
    for count, limit in ((100, None), (1000, 5.0)):
        pairs = [(_alone("ping", count), _alone("echo", count)) for _ in range(PAIRS)]
        measured, base = (statistics.median(times) for times in zip(*pairs, strict=True))
        report(f"test.ping to {count} minions", measured=measured, base=base, unit="ms", limit=limit)


if __name__ == "__main__":
    main(sys.argv[1:])
