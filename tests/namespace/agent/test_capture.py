"""What an agent captures: what crosses its host's links, when, and how much of it."""

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from socketlab.wire import Captured, Drop, Frame, List, Match, Watch
from tests.namespace.agent.controller import Controller, controlling
from tests.namespace.agent.lab import CLIENT, PORT, SERVER, Agent, Lab, match

NETWORKS = {"ipv4": "10.98.0.0/24", "ipv6": "fd00:98::/64"}
SYN, ACK = 0x02, 0x10
_ETHERNET = 14


@pytest.fixture
def controller(agent: Agent) -> Iterator[Controller]:
    with controlling(agent.folder) as made:
        yield made


def _flags(frame: Frame) -> int:
    """TCP flags of a frame; 0: it is none of TCP."""
    packet = frame.data[_ETHERNET:]
    if packet[0] >> 4 == 4:
        header, proto = (packet[0] & 0xF) * 4, packet[9]
    else:
        header, proto = 40, packet[6]
    return packet[header + 13] & (SYN | ACK) if proto == socket.IPPROTO_TCP else 0


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_handshake_both_ways_in_order_with_times(lab: Lab, controller: Controller, family: str) -> None:
    watch = controller.ask(Watch, capture=True, networks=(NETWORKS[family],)).id
    before = time.monotonic_ns()
    assert lab.connect(family) == "connected"
    after = time.monotonic_ns()
    frames = controller.frames(watch)
    shakes = [(_flags(frame), frame.outgoing) for frame in frames if _flags(frame) & SYN]
    assert shakes == [(SYN, False), (SYN | ACK, True)]
    times = [frame.at_ns for frame in frames if _flags(frame) & SYN]
    assert times == sorted(times)
    # The clocks are read one after the other, and the busy machine may stop us in between.
    assert before - 50_000_000 <= times[0] <= times[-1] <= after + 50_000_000
    assert {frame.device for frame in frames} == {"eth0"}
    assert all(frame.length == len(frame.data) for frame in frames)


def test_only_packets_between_addresses_of_the_networks(lab: Lab, controller: Controller) -> None:
    """The client's other address is in none of them, and neither is IPv6."""
    networks = (f"{SERVER['ipv4']}/32", "192.0.2.0/24", f"{CLIENT['ipv4']}/32")
    watch = controller.ask(Watch, capture=True, networks=networks).id
    everything = controller.ask(Watch, capture=True).id
    other = {"ipv4": "10.98.0.21", "ipv6": "fd00:98::21"}
    assert lab.connect("ipv4", source=other) == lab.connect("ipv6") == "connected"
    assert lab.deliver("ipv4") == "delivered"
    first = [each for each in controller.unwatch(watch) if isinstance(each, Captured) and each.id == watch]
    ends = {frame.data[_ETHERNET + 12 : _ETHERNET + 20] for each in first for frame in each.frames}
    assert ends == {socket.inet_aton(CLIENT["ipv4"]) + socket.inet_aton(SERVER["ipv4"])}
    controller.unwatch(everything)


def test_what_is_dropped_on_arrival_is_seen(lab: Lab, controller: Controller, agent: Agent) -> None:
    agent.add(Drop(match("ipv4")))
    watch = controller.ask(Watch, capture=True, networks=(NETWORKS["ipv4"],)).id
    assert lab.connect("ipv4", timeout=0.2) == "timeout"
    assert [(_flags(frame), frame.outgoing) for frame in controller.frames(watch)][:1] == [(SYN, False)]


def test_as_much_of_a_packet_as_was_asked_for(lab: Lab, controller: Controller) -> None:
    watch = controller.ask(Watch, capture=True, networks=(NETWORKS["ipv4"],), snap=40).id
    _send(lab, [b"x" * 1000])
    frames = [frame for frame in controller.frames(watch) if frame.length > 1000]
    assert [(frame.length, len(frame.data)) for frame in frames] == [(_ETHERNET + 20 + 8 + 1000, 40)]


def _send(lab: Lab, datagrams: list[bytes]) -> None:
    with lab.client.open("ipv4", socket.SOCK_DGRAM) as sending:
        for each in datagrams:
            sending.sendto(each, (SERVER["ipv4"], PORT))


def test_thousands_all_told_before_the_watch_ends(lab: Lab, controller: Controller) -> None:
    count = 3000
    watch = controller.ask(Watch, capture=True, networks=(NETWORKS["ipv4"],)).id
    _send(lab, [struct.pack(">I", number) for number in range(count)])
    frames = controller.frames(watch)
    numbers = [struct.unpack(">I", frame.data[-4:])[0] for frame in frames if frame.length == _ETHERNET + 32]
    assert numbers == list(range(count))


def test_who_does_not_read_loses_frames_and_is_told(lab: Lab, controller: Controller, agent: Agent) -> None:
    """The others are served meanwhile, and packets go by."""
    watch = controller.ask(Watch, capture=True, networks=(NETWORKS["ipv4"],), snap=1500).id
    sent = 0
    payload = [b"y" * 1400] * 1000
    with controlling(agent.folder) as other:
        while sent < 20_000:  # more than its buffers and the kernel's hold
            _send(lab, payload)
            sent += len(payload)
            assert other.ask(List).leases == ()
    told = [each for each in controller.unwatch(watch) if isinstance(each, Captured)]
    missing = sum(each.missing for each in told)
    seen = sum(frame.length > 1400 for each in told for frame in each.frames)
    assert missing > 0
    assert seen + missing >= sent
    assert seen < sent


def test_a_capture_that_makes_no_sense(controller: Controller) -> None:
    asked: list[tuple[dict[str, object], str]] = [
        ({"networks": ("10.98.0.0/33",)}, "fault-address"),
        ({"snap": 1}, "agent.capture-bounds"),
        ({"networks": ("10.0.0.0/8",) * 65}, "agent.capture-bounds"),
    ]
    for members, code in asked:
        assert controller.failure(Watch, capture=True, **members) == code
    assert controller.ask(List).leases == ()


def test_a_match_of_its_own_family_only(lab: Lab, controller: Controller, agent: Agent) -> None:
    """A capture and a fault at once: neither changes what the other sees."""
    lease = agent.add(Drop(Match(port=PORT, proto="tcp", family="ipv6")))
    watch = controller.ask(Watch, capture=True).id
    assert lab.connect("ipv4") == "connected"
    assert lab.connect("ipv6", timeout=0.2) == "timeout"
    assert sum(_flags(frame) == SYN for frame in controller.frames(watch)) >= 2
    assert agent.bitten(lease)
