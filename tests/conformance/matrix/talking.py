"""Every host of a lab talks to every other, over TCP and UDP, IPv4 and IPv6, all at once."""

import itertools
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.wire.match import Family
from tests.conformance.matrix.classifying import Class, Seen, class_of

PORT: Final = 7000
SECONDS: Final = 2.0
"""What is not there by then is lost: a conversation that nothing is wrong with takes milliseconds."""
_QUIET_SECONDS: Final = 0.15
"""How long one looks for more datagrams than were sent."""
_STREAM: Final = bytes(range(256)) * 40
_DATAGRAMS: Final = tuple(bytes([number]) * 1000 for number in range(1, 11))
_FAMILIES: Final[dict[Family, socket.AddressFamily]] = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


class Cell(NamedTuple):
    """One conversation: who calls whom, and how."""

    source: str
    target: str
    proto: str
    family: Family

    def __str__(self) -> str:
        return f"{self.source} > {self.target} {self.proto} {self.family}"


def cells(hosts: Sequence[str]) -> Iterator[Cell]:
    """All ordered pairs, both protocols, both families."""
    for source, target in itertools.permutations(hosts, 2):
        for proto, family in itertools.product(("tcp", "udp"), _FAMILIES):
            yield Cell(source, target, proto, family)


def classify(lab: Lab, which: Sequence[Cell]) -> dict[Cell, Class]:
    """Hold all these conversations at once."""
    with ThreadPoolExecutor(len(which)) as pool:
        running = {cell: pool.submit(_talk, lab, cell) for cell in which}
        return {cell: class_of(each.result()) for cell, each in running.items()}


def _talk(lab: Lab, cell: Cell) -> Seen:
    source, target = lab[cell.source], lab[cell.target]
    address = target.address if cell.family == "ipv4" else str(target.address6)
    return (_stream if cell.proto == "tcp" else _datagrams)(source, cell.family, address)


def _stream(source: Host, family: Family, address: str) -> Seen:
    started = time.monotonic()
    back = b""
    error: OSError | None = None
    with source.socket(_FAMILIES[family], socket.SOCK_STREAM) as made:
        try:
            made.settimeout(SECONDS)
            made.connect((address, PORT))
            made.sendall(_STREAM)
            while len(back) < len(_STREAM) and (piece := made.recv(65536)):
                back += piece
        except OSError as raised:
            error = raised
    whole = len(back) == len(_STREAM)
    return Seen((_STREAM,), (back,) if whole else (), time.monotonic() - started, error)


def _datagrams(source: Host, family: Family, address: str) -> Seen:
    started = ended = time.monotonic()
    got: list[bytes] = []
    error: OSError | None = None
    marks = os.urandom(4)
    sent = tuple(marks + each for each in _DATAGRAMS)
    with source.socket(_FAMILIES[family], socket.SOCK_DGRAM) as made:
        try:
            made.connect((address, PORT))
            for each in sent:
                made.send(each)
            while True:
                left = started + SECONDS - time.monotonic()
                made.settimeout(max(0.01, left if len(got) < len(sent) else _QUIET_SECONDS))
                got.append(made.recv(2000))
                ended = time.monotonic()
        except OSError as raised:
            error = raised
    return Seen(sent, tuple(got), ended - started, error)
