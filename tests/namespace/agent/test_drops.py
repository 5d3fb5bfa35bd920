"""A drop is silence, at the receiver and at the sender; it takes exactly what it was asked to."""

import itertools
import socket
import struct
import time
from collections.abc import Collection, Iterator
from typing import Any

import pytest

from services.nursery.offload import turn_off
from socketlab.wire import Drop, Lease, Match
from socketlab.wire.fault import PmtuBlackHole
from socketlab.wire.match import Which
from tests.namespace.agent.lab import (
    BYSTANDER,
    CLIENT,
    OTHER_PORT,
    PORT,
    SECONDS,
    SERVER,
    Agent,
    Lab,
    labs,
    match,
    outcome,
)

FAMILIES = ["ipv4", "ipv6"]
FAR = {"ipv4": "10.98.0.130", "ipv6": "fd00:98:0:0:8::1"}
"""An address of the client's host in another half of the network."""


class Site:
    """A lab with an agent on its server, and datagrams that say which they are."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        with lab.server.inside():
            turn_off("eth0")  # as in our labs: a packet is a segment, so nft counts them
        self.agent = lab.agent(lab.server).ready()
        lab.client.run("ip", "addr", "add", FAR["ipv4"] + "/24", "dev", "eth0")
        lab.client.run("ip", "addr", "add", FAR["ipv6"] + "/64", "dev", "eth0", "nodad")
        self._sources: dict[tuple[str, str, int], socket.socket] = {}
        self._numbers = itertools.count()

    def source(self, family: str, address: str, port: int = 0) -> socket.socket:
        """A socket of the client's host."""
        if (family, address, port) not in self._sources:
            made = self.lab.open(self.lab.client, family, socket.SOCK_DGRAM)
            made.bind((address, port))
            self._sources[family, address, port] = made
        return self._sources[family, address, port]

    def bitten(self, lease: Lease, sent: int, heard: set[str]) -> Lease:
        """The lease, once each packet sent has been bitten or is in `heard`."""
        deadline = time.monotonic() + SECONDS
        while True:
            now = next(each for each in self.agent.leases() if each.id == lease.id)
            self.hear(heard)
            if len(heard) + (now.bitten or 0) >= sent:
                return now
            assert time.monotonic() < deadline, (heard, now)

    def hear(self, heard: set[str]) -> None:
        """Note all labels that have arrived at the server."""
        for receiver in self.lab.datagrams.values():
            receiver.settimeout(0)
            while outcome(lambda: heard.add(receiver.recv(100).decode()), "heard") == "heard":  # noqa: B023
                pass


@pytest.fixture(scope="module")
def site(namespaces: None) -> Iterator[Site]:  # noqa: ARG001 - a fixture of a fixture
    with labs() as lab:
        yield Site(lab)


# Each datagram's label: family, source, source port, destination port.
SENT = {
    "near": ("ipv4", CLIENT, 0, PORT),
    "near-6": ("ipv6", CLIENT, 0, PORT),
    "bystander": ("ipv4", BYSTANDER, 0, PORT),
    "bystander-6": ("ipv6", BYSTANDER, 0, PORT),
    "far": ("ipv4", FAR, 0, PORT),
    "far-6": ("ipv6", FAR, 0, PORT),
    "other": ("ipv4", CLIENT, 0, OTHER_PORT),
    "other-6": ("ipv6", CLIENT, 0, OTHER_PORT),
    "from-9": ("ipv4", CLIENT, 909, OTHER_PORT),
    "from-9-6": ("ipv6", CLIENT, 909, OTHER_PORT),
}
V6 = {label for label in SENT if label.endswith("-6")}
V4 = SENT.keys() - V6
OTHER = {"other", "other-6", "from-9", "from-9-6"}


SELECTED: list[tuple[dict[str, Any], Collection[str]]] = [
    ({}, SENT.keys()),
    ({"proto": "udp"}, SENT.keys()),
    ({"proto": "tcp"}, set()),
    ({"proto": "icmp"}, set()),
    ({"family": "ipv4"}, V4),
    ({"family": "ipv6"}, V6),
    ({"port": PORT}, SENT.keys() - OTHER),
    ({"port": f"{PORT}-{OTHER_PORT}"}, SENT.keys()),
    ({"port": 909}, {"from-9", "from-9-6"}),
    ({"own_port": OTHER_PORT}, OTHER),
    ({"own_port": 909}, set()),
    ({"peer_port": 909}, {"from-9", "from-9-6"}),
    ({"peer_port": "900-999", "own_port": f"{OTHER_PORT}-8000", "family": "ipv6"}, {"from-9-6"}),
    ({"peer_port": "900-999", "own_port": PORT}, set()),
    ({"peer": BYSTANDER["ipv4"]}, {"bystander"}),
    ({"peer": "10.98.0.128/25"}, {"far"}),
    ({"peer": "10.98.0.0/25"}, V4 - {"far"}),
    ({"peer": "fd00:98:0:0:8::/77"}, {"far-6"}),
    ({"peer": "fd00:98::/32", "port": OTHER_PORT}, V6 & OTHER),
    ({"peer": "::/0"}, V6),
    ({"peer": "it", "addresses": ("10.98.0.128/25", FAR["ipv4"], FAR["ipv6"])}, {"far", "far-6"}),
]


@pytest.mark.parametrize(("asked", "bitten"), SELECTED, ids=[str(asked) for asked, _bitten in SELECTED])
def test_each_selector_takes_what_it_says_and_nothing_else(
    site: Site, asked: dict[str, Any], bitten: Collection[str]
) -> None:
    lease = site.agent.add(Drop(Match(**asked)))
    heard: set[str] = set()
    for label, (family, source, source_port, port) in SENT.items():
        site.source(family, source[family], source_port).sendto(label.encode(), (SERVER[family], port))
    last = site.bitten(lease, len(SENT), heard)
    assert heard == SENT.keys() - set(bitten)
    assert (last.bitten, last.seen) == (len(bitten), len(bitten))
    site.agent.heal(lease.id)


@pytest.mark.parametrize(
    ("which", "bitten"),
    [
        (Which(nth=5), [5]),
        (Which(first=3), [1, 2, 3]),
        (Which(every=4), [4, 8, 12]),
        (Which(every=1), range(1, 13)),
        (Which(after=9), [10, 11, 12]),
        (Which(at_most=2), [1, 2]),
        (Which(after=3, first=10, every=2), [4, 6, 8, 10]),
        (Which(after=3, first=10, every=2, at_most=2), [4, 6]),
        (Which(nth=12, at_most=1), [12]),
        (Which(every=5, at_most=1), [5]),
    ],
    ids=str,
)
def test_of_twelve_datagrams_those_with_the_ordinals_asked_for(
    site: Site, which: Which, bitten: list[int]
) -> None:
    lease = site.agent.add(Drop(Match(port=PORT, proto="udp", which=which)))
    heard: set[str] = set()
    for number in range(1, 13):
        family = FAMILIES[number % 2]
        site.source(family, CLIENT[family]).sendto(str(number).encode(), (SERVER[family], PORT))
        site.source(family, CLIENT[family]).sendto(f"c{number}".encode(), (SERVER[family], OTHER_PORT))
    assert lease.by == "nft"
    last = site.bitten(lease, 24, heard)
    assert {int(each) for each in heard if each.isdigit()} == {*range(1, 13)} - {*bitten}
    assert (last.bitten, last.seen) == (len(bitten), 12)
    site.agent.heal(lease.id)


def test_both_directions_have_one_count_of_ordinals(site: Site) -> None:
    lease = site.agent.add(Drop(Match(port=PORT, proto="udp", direction="both", which=Which(every=3))))
    client, server = site.source("ipv4", CLIENT["ipv4"]), site.lab.datagrams["ipv4", PORT]
    client.settimeout(SECONDS)
    server.settimeout(SECONDS)
    for _ in range(3):  # each time: in, out, in that is bitten, in, out, out that is bitten
        for label in (b"1", b"4"):
            client.sendto(label, (SERVER["ipv4"], PORT))
            data, peer = server.recvfrom(10)
            assert data == label
            assert server.sendto(label, peer) == 1
            assert client.recv(10) == label
            if label == b"1":
                client.sendto(b"3", (SERVER["ipv4"], PORT))
            else:
                assert server.sendto(b"6", peer) == 1  # vanishes, and its sender is not told
    last = next(each for each in site.agent.leases() if each.id == lease.id)
    assert (last.bitten, last.seen) == (6, 18)
    site.agent.heal(lease.id)


def test_ordinals_are_for_the_emulator_where_a_packet_may_be_many(lab: Lab, agent: Agent) -> None:
    """Offloads are on in this lab, as on any machine: what is one for nft may be several on the wire."""
    nth = Which(nth=2)
    by = {
        asked: agent.add(Drop(asked)).by
        for asked in (
            Match(port=PORT, proto="tcp", which=nth),
            Match(flags="SYN", which=nth),
            Match(port=PORT),
        )
    }
    assert list(by.values()) == ["queue", "nft", "nft"]
    with lab.server.inside():
        turn_off("eth0")
    assert agent.add(Drop(Match(port=PORT, proto="tcp", which=nth))).by == "nft"


@pytest.mark.parametrize("family", FAMILIES)
def test_flags_tell_a_connections_beginning_from_its_data(site: Site, family: str) -> None:
    with site.lab.client.open(family, socket.SOCK_STREAM) as connected:
        connected.bind((CLIENT[family], 0))
        connected.settimeout(SECONDS)
        connected.connect((SERVER[family], PORT))
        lease = site.agent.add(Drop(Match(port=PORT, flags="SYN")))
        assert site.lab.connect(family, timeout=0.3) == "timeout"
        assert site.lab.connect(family, OTHER_PORT) == "connected"
        connected.sendall(b"x")
        assert _unacknowledged(connected) == 0
        site.agent.heal(lease.id)
        lease = site.agent.add(Drop(Match(port=PORT, flags="PSH,ACK")))
        assert site.lab.connect(family) == "connected"
        connected.sendall(b"x")
        assert (site.bitten(lease, 1, set()).bitten or 0) >= 1
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[24:28] != bytes(4)
        site.agent.heal(lease.id)


def _unacknowledged(connected: socket.socket) -> int:
    """Segments that wait for their acknowledgement, once there are none, or at the deadline."""
    deadline = time.monotonic() + SECONDS
    while True:
        waiting = struct.unpack_from("=I", connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)
        if not waiting[0] or time.monotonic() > deadline:
            return int(waiting[0])


@pytest.mark.parametrize(
    ("family", "proto", "other", "echo"),
    [("ipv4", "icmp", "icmp6", 8), ("ipv6", "icmp6", "icmp", 128)],
)
def test_icmp_of_one_family(site: Site, family: str, proto: Any, other: Any, echo: int) -> None:
    def ping() -> str:
        """An echo request of this family; the kernel fills in ICMPv6's checksum."""
        number = socket.IPPROTO_ICMP if family == "ipv4" else socket.IPPROTO_ICMPV6
        body = struct.pack(">HH", 213, 1)
        total = (echo << 8) + sum(struct.unpack(">HH", body))
        request = struct.pack(">BBH", echo, 0, 0xFFFF - total if family == "ipv4" else 0) + body
        with site.lab.client.open(family, socket.SOCK_RAW, number) as pinging:
            pinging.sendto(request, (SERVER[family], 0))
            pinging.settimeout(0.3)
            return outcome(lambda: _answer(pinging, body), "answered")

    assert ping() == "answered"
    lease = site.agent.add(Drop(Match(proto=other)))
    assert ping() == "answered"
    site.agent.heal(lease.id)
    lease = site.agent.add(Drop(Match(proto=proto)))
    assert ping() == "timeout"
    assert site.bitten(lease, 1, set()).bitten == 1
    assert site.lab.deliver(family) == "delivered"
    site.agent.heal(lease.id)


def _answer(pinging: socket.socket, body: bytes) -> None:
    """Wait for the echo's answer."""
    while True:
        data = pinging.recv(100)
        message = data[(data[0] & 0xF) * 4 :] if len(data) > 20 else data
        if message[0] in {0, 129} and message[4:8] == body:
            return


@pytest.mark.parametrize("family", FAMILIES)
def test_a_black_hole_for_path_mtu_takes_only_what_tells_of_it(site: Site, family: str) -> None:
    """The client tells the server that 1300 bytes are too many, by hand, as a router would."""
    server, client = SERVER[family], CLIENT[family]
    number = socket.IPPROTO_ICMP if family == "ipv4" else socket.IPPROTO_ICMPV6
    told = (3, 4) if family == "ipv4" else (2, 0)
    lease = site.agent.add(PmtuBlackHole(Match(peer=client)))
    with site.lab.client.open(family, socket.SOCK_RAW, number) as telling:
        telling.bind((client, 0))
        for kind, code in (told, (3, 1) if family == "ipv4" else (1, 4)):
            telling.sendto(_icmp(kind, code), (server, 0))
        telling.close()
    with site.lab.client.open(family, socket.SOCK_RAW, number) as other:
        other.bind((BYSTANDER[family], 0))
        other.sendto(_icmp(*told), (server, 0))
    assert site.bitten(lease, 1, set()).bitten == 1
    assert site.lab.deliver(family) == "delivered"
    assert site.bitten(lease, 1, set()).bitten == 1
    site.agent.heal(lease.id)


def _icmp(kind: int, code: int) -> bytes:
    """An ICMP error about a packet that nobody sent; the kernel mends ICMPv6's checksum."""
    message = struct.pack(">BBHHH", kind, code, 0, 0, 1300) + bytes(48)
    total = sum(struct.unpack(f">{len(message) // 2}H", message))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack(">H", 0xFFFF - total) + message[4:]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_arrives_vanishes(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.server.state()
    lease = agent.add(Drop(match(family)))
    assert lab.connect(family, timeout=0.3) == "timeout"
    bitten = agent.bitten(lease) or 0
    assert bitten >= 1
    assert lab.connect(family, OTHER_PORT) == "connected"
    assert lab.connect(family, source=BYSTANDER) == "connected"
    assert lab.deliver(family) == "delivered"
    assert agent.bitten(lease) == bitten
    agent.heal(lease.id)
    assert lab.connect(family) == "connected"
    assert lab.server.state() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_sent_vanishes_and_its_sender_is_not_told(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.server.state()
    lease = agent.add(Drop(match(family, proto="udp", direction="out")))
    receiver = lab.open(lab.client, family, socket.SOCK_DGRAM)
    receiver.bind((CLIENT[family], 0))
    receiver.settimeout(0.3)
    sender = lab.datagrams[family, PORT]
    there = receiver.getsockname()
    for _ in range(2):  # a drop that is told of gives EPERM here
        assert sender.sendto(b"x", there) == 1
    assert outcome(lambda: receiver.recv(10), "delivered") == "timeout"
    assert agent.bitten(lease) == 2
    lab.datagrams[family, OTHER_PORT].sendto(b"control", there)
    assert receiver.recv(10) == b"control"
    agent.heal(lease.id)
    sender.sendto(b"healed", there)
    assert receiver.recv(10) == b"healed"
    assert lab.server.state() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_a_connection_loses_what_its_server_sends(site: Site, family: str) -> None:
    lease = site.agent.add(Drop(match(family, direction="out")))
    assert site.lab.connect(family, timeout=0.3) == "timeout"  # SYN, ACK is lost
    assert (site.agent.bitten(lease) or 0) >= 1
    assert site.lab.connect(family, source=BYSTANDER) == "connected"
    site.agent.heal(lease.id)


def test_dropping_everything_spares_loopback_and_neighbour_discovery(lab: Lab, agent: Agent) -> None:
    agent.add(Drop(Match()))
    agent.add(Drop(Match(direction="out")))
    lab.client.run("ip", "-6", "neigh", "flush", "dev", "eth0")
    assert lab.connect("ipv6", timeout=0.3) == "timeout"
    neighbours = lab.client.run("ip", "-6", "neigh", "show", SERVER["ipv6"])
    assert "lladdr" in neighbours
    listener = lab.open(lab.server, "ipv4", socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    local = lab.open(lab.server, "ipv4", socket.SOCK_STREAM)
    local.settimeout(5)
    assert outcome(lambda: local.connect(listener.getsockname()), "connected") == "connected"


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))], ids=str)
def test_faults_stack_and_are_healed_in_any_order(site: Site, order: tuple[int, ...]) -> None:
    """Three drops of UDP to three ports: what is left in force bites its own, always."""
    before = site.lab.server.state()
    ports = PORT, OTHER_PORT, 7002
    leases = [site.agent.add(Drop(Match(own_port=port, proto="udp"))) for port in ports]
    twin = site.agent.add(Drop(Match(own_port=PORT, proto="udp")))
    in_force = {0, 1, 2}
    for healed in order:
        had = {each.id: each.bitten or 0 for each in site.agent.leases()}
        for port in ports:
            site.source("ipv4", CLIENT["ipv4"]).sendto(b"x", (SERVER["ipv4"], port))
        for place in in_force:
            site.bitten(leases[place], had[leases[place].id] + 1, set())
        now = {each.id: each.bitten or 0 for each in site.agent.leases()}
        assert now[twin.id] == had[twin.id] + (0 not in in_force)  # the first that takes a packet has it
        site.agent.heal(leases[healed].id)
        in_force.remove(healed)
    site.agent.heal(twin.id)
    site.hear(set())
    assert site.lab.deliver("ipv4") == "delivered"
    assert site.lab.server.state() == before
