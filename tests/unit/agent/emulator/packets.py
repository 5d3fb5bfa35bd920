"""Packets for the emulator, built by hand, and an emulation that remembers what became of them."""

import ipaddress
import struct
from typing import Any

from services.agent.emulator.checksums import mended
from services.agent.emulator.decide import Emulation
from services.agent.emulator.line import ACCEPT, DROP, INJECT, Action
from services.agent.emulator.packet import Packet
from services.agent.emulator.stages import Emulated
from socketlab.wire import LogEntry

HERE = {"ipv4": "10.0.0.1", "ipv6": "fd00::1"}
THERE = {"ipv4": "10.0.0.2", "ipv6": "fd00::2"}
PORT, OTHER = 7000, 4711
MS = 1_000_000
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def ip(
    source: str, destination: str, protocol: int, rest: bytes, *, more: bytes = b"", place: int = 0
) -> bytes:
    """A packet; `more` is options of IPv4, or headers of IPv6 with the first one's number in front."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if a.version == 4:
        words = 5 + len(more) // 4
        head = struct.pack(
            ">BBHHHBBH4s4s",
            4 << 4 | words,
            0,
            words * 4 + len(rest),
            7,
            place,
            64,
            protocol,
            0,
            a.packed,
            b.packed,
        )
        made = head + more + rest
    else:
        first, extensions = (more[0], more[1:]) if more else (protocol, b"")
        head = struct.pack(">IHBB16s16s", 6 << 28, len(extensions) + len(rest), first, 64, a.packed, b.packed)
        made = head + extensions + rest
    return mended(Packet(made, arriving=True))


def udp_header(sport: int, dport: int, payload: bytes) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp_header(sport: int, dport: int, flags: int, payload: bytes = b"", **more: Any) -> bytes:
    options: bytes = more.get("options", b"")
    words = 5 + len(options) // 4
    seq, ack = more.get("seq", 0), more.get("ack", 0)
    return (
        struct.pack(">HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, 1000, 0, 0) + options + payload
    )


def udp(payload: bytes = b"x", *, family: str = "ipv4", out: bool = False, sport: int = OTHER) -> bytes:
    """A datagram from there to the service here; on its way out the service's answer."""
    if out:
        return ip(HERE[family], THERE[family], 17, udp_header(PORT, sport, payload))
    return ip(THERE[family], HERE[family], 17, udp_header(sport, PORT, payload))


def tcp(
    flags: int = ACK, payload: bytes = b"", *, family: str = "ipv4", out: bool = False, **more: Any
) -> bytes:
    """A segment from there to the service here, or on its way out."""
    if out:
        return ip(HERE[family], THERE[family], 6, tcp_header(PORT, OTHER, flags, payload, **more))
    return ip(THERE[family], HERE[family], 6, tcp_header(OTHER, PORT, flags, payload, **more))


def parsed(data: bytes, *, arriving: bool = True) -> Packet:
    return Packet(data, arriving=arriving)


class Bench:
    """An emulation, and what it did with the packets that it was fed."""

    def __init__(self, *faults: Emulated) -> None:
        self.emulation = Emulation()
        self.actions: list[Action] = []
        self.now = 0
        self._ids = 0
        self._leases = 0
        for fault in faults:
            self.add(fault)

    def add(self, fault: Emulated, mark: int = 0) -> str:
        self._leases += 1
        self.emulation.add(f"f{self._leases}", fault, mark)
        return f"f{self._leases}"

    def feed(self, data: bytes, *, out: bool = False, at: int | None = None) -> int:
        """Feed a packet, and let happen what it was time for before; its id."""
        self.wait(self.now if at is None else at)
        self._ids += 1
        self.take(self.emulation.arrive(self.now, self._ids, data, arriving=not out))
        return self._ids

    def wait(self, until: int) -> None:
        while (due := self.emulation.next_due()) is not None and due <= until:
            self.now = due
            self.take(self.emulation.due(due))
        self.now = until

    def take(self, actions: list[Action]) -> None:
        self.actions += actions

    def remove(self, lease: str) -> None:
        self.take(self.emulation.remove(lease, self.now))

    @property
    def accepted(self) -> list[int]:
        return [number for what, number, *_ in self.actions if what == ACCEPT]

    @property
    def dropped(self) -> list[int]:
        return [number for what, number, *_ in self.actions if what == DROP]

    @property
    def injected(self) -> list[bytes]:
        return [data for what, _number, data, *_ in self.actions if what == INJECT and data is not None]

    def bytes_of(self, packet: int) -> bytes | None:
        """The bytes with which a packet was accepted; None: its own."""
        (data,) = [data for what, number, data, *_ in self.actions if what == ACCEPT and number == packet]
        return data

    def log(self, lease: str | None = None) -> tuple[LogEntry, ...]:
        return self.emulation.log.page(lease, 0, 100_000).entries

    def did(self, lease: str | None = None) -> list[tuple[int, str]]:
        return [(entry.ordinal, entry.action) for entry in self.log(lease)]
