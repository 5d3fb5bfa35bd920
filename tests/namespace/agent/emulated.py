"""Talk between two hosts while the emulator bends it, and what the emulator says about it."""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from services.agent.asking import ask
from socketlab.wire import Advance, Held, HeldPackets, Lease, Log, LogPage
from socketlab.wire.lease import HeldPacket, Step
from tests.namespace.agent.lab import CLIENT, PORT, SECONDS, SERVER, Agent, Lab

FAMILIES = ["ipv4", "ipv6"]


def log(agent: Agent, lease: Lease | None = None) -> LogPage:
    """All that the emulator has done, for one fault or for all."""
    answer = ask(agent.folder, Log(id=1, lease=None if lease is None else lease.id, most=2000))
    assert isinstance(answer, LogPage)
    return answer


def did(agent: Agent, lease: Lease | None = None) -> list[tuple[int, str]]:
    return [(entry.ordinal, entry.action) for entry in log(agent, lease).entries]


def held(agent: Agent, lease: Lease | None = None) -> tuple[HeldPacket, ...]:
    answer = ask(agent.folder, Held(1, None if lease is None else lease.id))
    assert isinstance(answer, HeldPackets)
    return answer.packets


def advance(agent: Agent, packet: HeldPacket | int, step: Step = "release") -> tuple[HeldPacket, ...]:
    number = packet if isinstance(packet, int) else packet.number
    answer = ask(agent.folder, Advance(1, number, step))
    assert isinstance(answer, HeldPackets)
    return answer.packets


def counts(agent: Agent, lease: Lease) -> tuple[int | None, int | None, int]:
    """Bitten, seen, lost beside the purpose."""
    (found,) = (each for each in agent.leases() if each.id == lease.id)
    return found.bitten, found.seen, found.overflow


def until(what: Callable[[], Any]) -> Any:
    """Ask until there is something; then that."""
    deadline = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)
    return found


class Datagrams:
    """A sender on the client, the service's socket on the server, and the way back."""

    def __init__(self, lab: Lab, family: str, port: int = PORT, source: int = 0) -> None:
        self.receiver = lab.datagrams[family, port]
        self.sender = lab.open(lab.client, family, socket.SOCK_DGRAM)
        self.sender.bind((CLIENT[family], source))
        self.sender.connect((SERVER[family], port))
        self.there = self.sender.getsockname()
        self.receiver.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:  # what a test before this one has left
                self.receiver.recv(65536)

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.sender.send(payload)

    def answer(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.receiver.sendto(payload, self.there)

    def arrived(self, count: int | None = None, *, back: bool = False) -> list[bytes]:
        """So many datagrams, and no more; None: whatever there is."""
        taking = self.sender if back else self.receiver
        found: list[bytes] = []
        while count is None or len(found) <= count:
            is_last = count is None or len(found) == count
            taking.settimeout(0.1 if is_last else SECONDS)
            try:
                found.append(taking.recv(65536))
            except TimeoutError:
                assert is_last, f"{found} of {count}"
                break
        return found


def stream(lab: Lab, family: str, source: int = 0) -> tuple[socket.socket, socket.socket]:
    """A connection to the service: the client's end and the server's."""
    connecting = lab.open(lab.client, family, socket.SOCK_STREAM)
    connecting.settimeout(SECONDS)
    connecting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connecting.bind((CLIENT[family], source))
    connecting.connect((SERVER[family], PORT))
    listener = lab.listeners[family, PORT]
    listener.settimeout(SECONDS)
    while True:  # others have connected, and gone
        accepted, peer = listener.accept()
        lab.keep(accepted).settimeout(SECONDS)
        if peer[:2] == connecting.getsockname()[:2]:
            return connecting, accepted
