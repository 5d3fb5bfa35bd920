"""Flows and packets in words, and the order of packets within a flow."""

import ipaddress

from services.agent.emulator.packet import ABSENT, ICMP, ICMP6, TCP, UDP, Flow, Packet

_NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6"}
_LETTERS = ((0x02, "S"), (0x01, "F"), (0x04, "R"), (0x08, "P"), (0x20, "U"), (0x10, "."))
"""As tcpdump writes them."""
_MOST_FLOWS = 4096


def flow_words(flow: Flow) -> str:
    """`tcp 10.0.0.2:4711 > 10.0.0.1:7000`; without ports where there are none."""
    name = _NAMES.get(flow.protocol, f"protocol-{flow.protocol}")
    return f"{name} {_end(flow.source, flow.sport)} > {_end(flow.destination, flow.dport)}"


def _end(address: bytes, port: int) -> str:
    words = str(ipaddress.ip_address(address))
    if port == ABSENT:
        return words
    return f"[{words}]:{port}" if ":" in words else f"{words}:{port}"


def flag_words(flags: int) -> str:
    """`[S.]` for SYN and ACK."""
    return f"[{''.join(letter for bit, letter in _LETTERS if flags & bit)}]"


def summary(flow: Flow, flags: int, seq: int, length: int) -> str:
    """What tells a packet from others of its flow: `[S] seq 17 length 0`, or `length 5` without TCP."""
    words = f"length {length}"
    return f"{flag_words(flags)} seq {seq} {words}" if flow.protocol == TCP else words


class Order:
    """Keeps the packets of each flow in their order, although each has a delay of its own."""

    def __init__(self) -> None:
        self._last: dict[Flow, int] = {}

    def due(self, now: int, packet: Packet, wanted: int) -> int:
        """When a packet may go on: when it wants, or with the one before it."""
        last = self._last
        due = max(wanted, last.get(packet.flow, 0))
        if len(last) >= _MOST_FLOWS and packet.flow not in last:
            self._last = last = {flow: at for flow, at in last.items() if at > now}
        last[packet.flow] = due
        return due
