"""Capture: packets that arrive at this host and leave it, with the kernel's own times.

Theory of operation
    A packet socket sees what comes before any rule has had its say, and what is sent after all have: an
    arriving packet that a fault drops is here, a sent one is not. A filter of classic BPF (linux/filter.h)
    runs in the kernel, so what nobody asked for costs nothing; what it gives back is how many bytes are kept.
    It is made of what the kernel knows of a packet, not of its link layer's header, so any kind of link will
    do. Packets that came before it was there are thrown away.

    The kernel stamps packets by its clock of the time of day. Each batch that is read is turned into the
    monotonic clock by the difference of the two as it is then.
"""

import array
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from services.messages import ServiceError
from socketlab.wire.match import Network, network_of
from socketlab.wire.message import Frame

MOST_NETWORKS = 64
LEAST_SNAP, MOST_SNAP = 14, 9000
_ALL = 3
"""ETH_P_ALL (linux/if_ether.h)."""
_STAMP = 35
"""SO_TIMESTAMPNS, its option and its message."""
_SOL_PACKET, _STATISTICS, _AUXILIARY = 263, 6, 8
_ATTACH_FILTER = 26
_ROOM = 1 << 23
_CLOCK = struct.Struct("=qq")
_AUXILIARY_DATA = struct.Struct("=IIIHHHH")
_ANCILLARY = socket.CMSG_SPACE(_CLOCK.size) + socket.CMSG_SPACE(_AUXILIARY_DATA.size)
_OUTGOING = socket.PACKET_OUTGOING
_BILLION = 10**9
_READINGS = 10
_CLOSE = 5_000
"""Nanoseconds that three readings of a clock take, where nobody comes between."""

_LOAD, _AND, _IF_EQUAL, _GO, _RETURN = 0x20, 0x54, 0x15, 0x05, 0x06
"""BPF_LD|W|ABS, BPF_ALU|AND|K, BPF_JMP|JEQ|K, BPF_JMP|JA, BPF_RET|K."""
_OF_KERNEL, _OF_NETWORK = 0xFFFFF000, 0xFFF00000
"""SKF_AD_OFF and SKF_NET_OFF, as unsigned: what the kernel knows of a packet; its network header."""
_PROTOCOL, _INTERFACE = _OF_KERNEL, _OF_KERNEL + 8
_LOOPBACK = 1
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}
_ADDRESSES_AT = {4: (12, 16), 6: (8, 24)}
"""Source and destination in the network header (RFC 791 3.1, RFC 8200 3)."""
_INSTRUCTION = struct.Struct("=HBBI")


class Instruction(NamedTuple):
    """One instruction of classic BPF; jumps skip so many of those that follow."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0


def _one_of(networks: Sequence[Network], at: int) -> list[Instruction]:
    """Go on behind these where the address at an offset is in one of the networks; else keep nothing."""
    checks = [_is_in(network, at) for network in networks]
    program: list[Instruction] = []
    left = sum(len(check) + 1 for check in checks) + 1
    for check in checks:
        program += check
        left -= len(check) + 1
        program.append(Instruction(_GO, left))
    return [*program, Instruction(_RETURN, 0)]


def _is_in(network: Network, at: int) -> list[Instruction]:
    """Skip one instruction more where the address is not in the network."""
    value, mask = network.network_address.packed, network.netmask.packed
    program: list[Instruction] = []
    words = [place for place in range(0, len(value), 4) if any(mask[place : place + 4])]
    for left, place in zip(range(len(words) - 1, -1, -1), words, strict=True):
        bits, wanted = (int.from_bytes(each[place : place + 4], "big") for each in (mask, value))
        program.append(Instruction(_LOAD, _OF_NETWORK + at + place))
        program.append(Instruction(_AND, bits))
        program.append(Instruction(_IF_EQUAL, wanted, 0, 3 * left + 1))
    return program


def filter_for(networks: Sequence[Network], snap: int) -> list[Instruction]:
    """The filter that keeps the first bytes of packets between two addresses of some networks.

    Args:
        networks: of both addresses; none: whatever is not loopback's is kept.
        snap: bytes to keep.
    """
    keep = Instruction(_RETURN, snap)
    program = [
        Instruction(_LOAD, _INTERFACE),
        Instruction(_IF_EQUAL, _LOOPBACK, 0, 1),
        Instruction(_RETURN, 0),
    ]
    if not networks:
        return [*program, keep]
    program.append(Instruction(_LOAD, _PROTOCOL))
    for version in (4, 6):
        own = [network for network in networks if network.version == version]
        source, destination = _ADDRESSES_AT[version]
        part = [*_one_of(own, source), *_one_of(own, destination), keep]
        program += [
            Instruction(_IF_EQUAL, _ETHERTYPE[version], 1, 0),
            Instruction(_GO, len(part)),
            *part,
        ]
    return [*program, Instruction(_RETURN, 0)]


def _attach(receiver: socket.socket, program: Sequence[Instruction]) -> None:
    """SO_ATTACH_FILTER: `struct sock_fprog` is a count, and the address of the instructions."""
    packed = b"".join(
        _INSTRUCTION.pack(each.code, each.if_true, each.if_false, each.value) for each in program
    )
    kept = array.array("B", packed)
    address, _bytes = kept.buffer_info()
    receiver.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(program), address))


def _clocks_apart() -> int:
    """Nanoseconds between the time of day and the monotonic clock.

    Whoever else wants the processor may take it between two readings, so the closest of some counts.
    """
    best, offset = _BILLION, 0
    for _ in range(_READINGS):
        before, day, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < best:
            best, offset = after - before, day - (before + after) // 2
        if best < _CLOSE:
            break
    return offset


class Capture:
    """A packet socket of this network namespace.

    Args:
        networks: keep packets between two addresses of these; none: all but loopback's.
        snap: bytes to keep of each, from the link layer's header on.

    Raises:
        FaultError: an address that is none.
        ServiceError: too many networks, or the kernel refuses.
    """

    def __init__(self, networks: Sequence[str] = (), snap: int = 262) -> None:
        if len(networks) > MOST_NETWORKS or not LEAST_SNAP <= snap <= MOST_SNAP:
            raise ServiceError(
                "agent.capture-bounds",
                networks=MOST_NETWORKS,
                least=LEAST_SNAP,
                most=MOST_SNAP,
                seen=f"{len(networks)}, {snap}",
            )
        program = filter_for([network_of(each) for each in networks], snap)
        self._snap = snap
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        except OSError as error:
            raise ServiceError("agent.capture", why=error.strerror or error) from error
        try:
            self._socket.settimeout(0)
            _attach(self._socket, [Instruction(_RETURN, 0)])
            self._empty()
            self._enlarge()
            self._socket.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
            self._socket.setsockopt(_SOL_PACKET, _AUXILIARY, 1)
            _attach(self._socket, program)
        except OSError as error:
            self._socket.close()
            raise ServiceError("agent.capture", why=error.strerror or error) from error

    def _empty(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(1)
        self.lost()

    def _enlarge(self) -> None:
        """Make room; beyond the system's maximum only who has NET_ADMIN in the first user namespace may."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _ROOM)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self, most: int) -> list[Frame]:
        """Packets that have been seen, in their order, so many at most; none: there is none yet."""
        frames: list[Frame] = []
        offset = _clocks_apart()
        receive, room = self._socket.recvmsg, self._snap + 4
        while len(frames) < most:
            try:
                data, ancillary, _flags, address = receive(room, _ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # ENETDOWN: a link was set down, which is told once
                continue
            stamp, length = 0, len(data)
            for _level, kind, content in ancillary:
                if kind == _STAMP:
                    seconds, rest = _CLOCK.unpack(content)
                    stamp = seconds * _BILLION + rest
                elif kind == _AUXILIARY:
                    length = _AUXILIARY_DATA.unpack(content)[1]
            frames.append(Frame(stamp - offset, address[0], address[2] == _OUTGOING, length, data))
        return frames

    def lost(self) -> int:
        """Packets that were lost for want of room, since this was last asked."""
        with suppress(OSError):
            _seen, lost = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))
            return int(lost)
        return 0

    def close(self) -> None:
        """Capture no longer."""
        self._socket.close()
