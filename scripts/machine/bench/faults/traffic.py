"""Traffic of the bench, on a lab's hosts: `python3 -c THIS WHAT ADDRESS PORT`. Standard library only.

    echo      sends every datagram back
    ping      a line COUNT: there and back so often, one after the other; answers with the nanoseconds of each
    sink      a line KIND: takes datagrams until none comes for a while; answers with what it has seen
    source    a line COUNT SIZE RATE: sends numbered datagrams, RATE a second (0: as fast as it can)

A line in, a line of JSON out; the first says that it is ready.
"""

import json
import os
import socket
import struct
import sys
import time

STAMP = struct.Struct("=qq")
TIMEOUT = struct.Struct("=qq")
TIMESTAMPNS = 35
"""SO_TIMESTAMPNS (linux/socket.h): when the kernel got a datagram from the network."""
FIRST_SECONDS = 5
IDLE_SECONDS = 0.4
PARTS = 8
"""Stretches of a measured time that each give a rate."""
SETTLED = 0.2
"""Share of the time that is left out: a token bucket is full at first."""
SMALLEST = 64


def tell(what: object) -> None:
    """Answer with a line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def waits(made: socket.socket, seconds: float) -> None:
    """Have recv(2) give up after so long: select(2) before each would cost as much as the call itself."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TIMEOUT.pack(int(seconds), int(seconds % 1 * 1e6)))


def settle_down(end: int) -> None:
    """Keep to one core: who shares it with the other end is answered thrice as fast as who does not."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[end]})


def echo(made: socket.socket) -> None:
    """Send every datagram back."""
    settle_down(-1)
    tell("ready")
    buffer = bytearray(2048)
    while True:
        size, sender = made.recvfrom_into(buffer)
        made.sendto(memoryview(buffer)[:size], sender)


def ping(made: socket.socket) -> None:
    """There and back."""
    settle_down(0)
    waits(made, FIRST_SECONDS)
    tell("ready")
    now = time.monotonic_ns
    data = bytes(SMALLEST)
    for line in sys.stdin:
        took = []
        for _ in range(int(line)):
            began = now()
            made.send(data)
            made.recv(SMALLEST)
            took.append(now() - began)
        tell(took)


def not_taken() -> int:
    """How many datagrams the kernel had no room for, of all sockets of this host."""
    with open("/proc/self/net/snmp", encoding="ascii") as file:  # noqa: PTH123 - what imports little starts fast
        names, counts = (line.split() for line in file if line.startswith("Udp:"))
    return int(counts[names.index("RcvbufErrors")])


def sink(made: socket.socket) -> None:
    """Take what comes."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    tell("ready")
    kinds = {
        "count": counted,
        "late": late,
        "rate": rated,
    }
    for line in sys.stdin:
        before = not_taken()
        made.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, int(line.strip() == "rate"))
        waits(made, FIRST_SECONDS)
        tell("ready")
        seen = kinds[line.strip()](made)
        tell({**seen, "not_taken": not_taken() - before})


def counted(made: socket.socket) -> dict[str, object]:
    """How many, and in how long."""
    buffer = bytearray(2048)
    count = first = last = 0
    now = time.monotonic_ns
    try:
        while True:
            made.recv_into(buffer)
            last = now()
            if not count:
                first = last
                waits(made, IDLE_SECONDS)
            count += 1
    except BlockingIOError:
        return {"count": count, "seconds": (last - first) / 1e9}


def late(made: socket.socket) -> dict[str, object]:
    """How long after each was sent."""
    took: list[int] = []
    now = time.monotonic_ns
    try:
        while True:
            data = made.recv(2048)
            at = now()
            if not took:
                waits(made, IDLE_SECONDS)
            took.append(at - STAMP.unpack_from(data)[1])
    except BlockingIOError:
        return {"late": took}


def rated(made: socket.socket) -> dict[str, object]:
    """How many a second, in each of some parts of the time, by the kernel's stamps."""
    stamps: list[int] = []
    try:
        while True:
            ancillary = made.recvmsg(2048, 64)[1]
            if not stamps:
                waits(made, IDLE_SECONDS)
            seconds, nanoseconds = STAMP.unpack(ancillary[0][2])
            stamps.append(seconds * 1_000_000_000 + nanoseconds)
    except BlockingIOError:
        return {"rates": rates(stamps)}


def rates(stamps: list[int]) -> list[float]:
    """Of parts of equal time; the last may be cut off where sending ended, so it ends with a datagram."""
    if len(stamps) <= 2 * PARTS:
        return []
    settled = stamps[int(len(stamps) * SETTLED) :]
    size = (len(settled) - 1) // PARTS
    return [size * 1e9 / (settled[(part + 1) * size] - settled[part * size]) for part in range(PARTS)]


def source(made: socket.socket) -> None:
    """Send."""
    tell("ready")
    now, pause = time.monotonic_ns, time.sleep
    for line in sys.stdin:
        count, size, rate = map(int, line.split())
        filling = bytes(size - STAMP.size)
        step = 1_000_000_000 // rate if rate else 0
        began = due = now()
        refused = 0
        for number in range(count):
            if step:
                early = due - now()
                if early > 0:
                    pause(early / 1e9)
                due += step
            try:
                made.send(STAMP.pack(number, now()) + filling)
            except OSError:
                refused += 1
        tell({"seconds": (now() - began) / 1e9, "refused": refused})


def main(what: str, address: str, port: int) -> None:
    """Be one of them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        if what in {"echo", "sink"}:
            made.bind((address, port))
        else:
            made.connect((address, port))
        {"echo": echo, "ping": ping, "sink": sink, "source": source}[what](made)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
