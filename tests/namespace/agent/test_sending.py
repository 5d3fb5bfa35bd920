"""Packets that an agent sends for a controller: from its own host only, and as they are."""

import ipaddress
import struct
from collections.abc import Iterator

import pytest

from socketlab.wire import Add, Drop, Failure, Heal, Match, Route, Send, Sent
from tests.namespace.agent.controller import Controller, controlling
from tests.namespace.agent.lab import CLIENT, PORT, SECONDS, SERVER, Lab


@pytest.fixture
def controller(lab: Lab) -> Iterator[Controller]:
    """Of the client's agent."""
    with controlling(lab.agent(lab.client).ready().folder) as made:
        yield made


def _datagram(family: str, source: str, to: str, payload: bytes = b"probe") -> bytes:
    udp = struct.pack(">HHHH", 40000, PORT, 8 + len(payload), 0) + payload
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(to).packed
    if family == "ipv4":
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends + udp
    return struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + ends + _with_sum(ends, udp)


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def _with_sum(ends: bytes, udp: bytes) -> bytes:
    """IPv6 takes no datagram without a checksum (RFC 8200 8.1)."""
    data = _even(ends + struct.pack(">II", len(udp), 17) + udp)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return udp[:6] + struct.pack(">H", ~total & 0xFFFF or 0xFFFF) + udp[8:]


def test_it_arrives(lab: Lab, controller: Controller) -> None:
    for family in SERVER:
        packet = _datagram(family, CLIENT[family], SERVER[family])
        assert isinstance(controller.ask(Send, packet), Sent)
        receiver = lab.datagrams[family, PORT]
        receiver.settimeout(SECONDS)
        payload, where = receiver.recvfrom(100)
        assert (payload, where[:2]) == (b"probe", (CLIENT[family], 40000))


def test_not_in_anothers_name_nor_of_another_length_than_it_says(controller: Controller) -> None:
    for source in ("10.98.0.99", "0.0.0.0", "224.0.0.1"):
        packet = _datagram("ipv4", source, SERVER["ipv4"])
        assert controller.failure(Send, packet) == "agent.send-source"
    packet = _datagram("ipv4", CLIENT["ipv4"], SERVER["ipv4"])
    assert controller.failure(Send, packet + b"more") == "agent.packet-length"
    assert controller.failure(Send, packet[:10]) == "agent.packet"


def test_the_kernels_errno_is_told(controller: Controller) -> None:
    for family in SERVER:
        controller.ask(Add, fault=Route("unreachable", SERVER[family]), holder="client")
        answer = controller.ask(Send, _datagram(family, CLIENT[family], SERVER[family]))
        assert isinstance(answer, Failure)
        assert answer.code == "agent.send"
        assert {detail.name: detail.value for detail in answer.details}["errno"] == "EHOSTUNREACH"


def test_faults_bite_it_like_any_other(lab: Lab, controller: Controller) -> None:
    fault = Drop(Match(port=PORT, proto="udp", direction="out"))
    lease = controller.ask(Add, fault=fault, holder="client").lease
    packet = _datagram("ipv4", CLIENT["ipv4"], SERVER["ipv4"])
    assert isinstance(controller.ask(Send, packet), Sent)  # silently, as on a wire
    receiver = lab.datagrams["ipv4", PORT]
    receiver.settimeout(0.3)
    with pytest.raises(TimeoutError):
        receiver.recv(100)
    assert [each.bitten for each in controller.ask(Heal, lease=lease.id).leases] == [1]
