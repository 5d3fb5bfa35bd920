"""A relay of datagrams: whose answer is whose, and what is told of those that never come.

The test is the clients and the upstream; only the relay is a process, one for each style.
"""

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.messages import say
from services.protocol.framed_client import Answer, FramedCaller
from services.server.loop.loop import Loop
from services.server.loop.pollers import EpollPoller
from services.server.loop.relay_datagrams import LoopReaders
from services.server.options import Upstream
from services.server.relay_datagrams import RelayDatagrams
from services.server.upstream import Resolver
from tests.loopback.running import DEADLINE, Server, served

STYLES = ("iterative", "prefork", "select", "epoll", "asyncio")
SIDE_BY_SIDE = ("prefork", "select", "epoll", "asyncio")
"""Those in which questions do not wait for the answers to others."""
ANSWER = 1.0
Address = Any


@contextlib.contextmanager
def relaying(style: str, upstream: str, *more: str) -> Iterator[Server]:
    arguments = ("--style", style, "--protocol", "relay", "--upstream", upstream)
    with served(*arguments, *more) as server:
        yield server
        assert not [event for event in server.read_so_far() if event["event"] == "crashed"]
        assert server.complaints() == ""


class Relay:
    """A relay that runs, and the port of the upstream that the test plays."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port

    @contextlib.contextmanager
    def client(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(("127.0.0.1", self.server.port("relay", "udp")))
            yield sock

    @contextlib.contextmanager
    def upstream(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE)
            sock.bind(("127.0.0.1", self.port))
            yield sock

    def told_to(self, client: socket.socket) -> dict[str, Any]:
        """What the log says of a failure that concerns this client."""
        host, port = client.getsockname()
        return self.server.wait_for("upstream-failed", lambda event: event["peer"] == f"{host}:{port}")


def a_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module", params=STYLES)
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """A relay of each style."""
    port = a_free_port()
    more = ("--transport", "udp", "--address", "127.0.0.1", "--upstream-answer", str(ANSWER))
    with relaying(request.param, f"127.0.0.1:{port}", *more) as server:
        yield Relay(server, port)


side_by_side = pytest.mark.parametrize("relay", SIDE_BY_SIDE, indirect=True)
one_by_one = pytest.mark.parametrize("relay", ["iterative"], indirect=True)


def asked(upstream: socket.socket, question: bytes) -> Address:
    """Who has asked this: as seen by the upstream."""
    datagram, address = upstream.recvfrom(100_000)
    assert datagram == question
    return address


def exchange(upstream: socket.socket, client: socket.socket, question: bytes, answer: bytes) -> Address:
    """One question and its answer; who has asked, as seen by the upstream."""
    client.send(question)
    asker = asked(upstream, question)
    upstream.sendto(answer, asker)
    assert client.recv(100_000) == answer
    return asker


@pytest.mark.parametrize("size", [0, 1, 1472, 65_507])
def test_a_datagram_goes_there_and_one_comes_back(relay: Relay, size: int) -> None:
    with relay.upstream() as upstream, relay.client() as client:
        exchange(upstream, client, bytes(size), b"answer")
        exchange(upstream, client, b"question", bytes(size))


@side_by_side
def test_each_gets_its_own_answer_in_any_order(relay: Relay) -> None:
    with relay.upstream() as upstream, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(relay.client()) for _ in range(5)]
        askers = []
        for number, client in enumerate(clients):
            client.send(b"question %d" % number)
            askers.append(asked(upstream, b"question %d" % number))
        assert len(set(askers)) == len(clients)
        for number, asker in reversed(list(enumerate(askers))):
            upstream.sendto(b"answer %d" % number, asker)
            upstream.sendto(b"and more %d" % number, asker)
        for number, client in enumerate(clients):
            assert client.recv(100) == b"answer %d" % number
            assert client.recv(100) == b"and more %d" % number


@side_by_side
def test_a_client_is_the_same_to_the_upstream_while_it_goes_on(relay: Relay) -> None:
    with relay.upstream() as upstream, relay.client() as client:
        askers = set()
        for _ in range(4):
            client.send(b"question")
            askers.add(asked(upstream, b"question"))
            time.sleep(ANSWER / 2)
        assert len(askers) == 1


@side_by_side
def test_a_way_that_nobody_goes_is_given_up(relay: Relay) -> None:
    with relay.upstream() as upstream, relay.client() as client:
        first = exchange(upstream, client, b"question", b"answer")
        time.sleep(ANSWER * 1.5)
        client.send(b"question")
        assert asked(upstream, b"question") != first


@one_by_one
def test_questions_wait_for_the_answer_to_the_one_before(relay: Relay) -> None:
    with relay.upstream() as upstream, relay.client() as one, relay.client() as other:
        one.send(b"one")
        asker = asked(upstream, b"one")
        other.send(b"other")
        time.sleep(ANSWER / 5)
        upstream.settimeout(0)
        with pytest.raises(BlockingIOError):
            upstream.recv(100)
        upstream.settimeout(DEADLINE)
        upstream.sendto(b"to one", asker)
        upstream.sendto(b"to other", asked(upstream, b"other"))
        assert one.recv(100) == b"to one"
        assert other.recv(100) == b"to other"


@one_by_one
def test_an_answer_that_comes_too_late_is_not_the_answer_to_the_next(relay: Relay) -> None:
    with relay.upstream() as upstream, relay.client() as client:
        client.send(b"first")
        late = asked(upstream, b"first")
        told = relay.told_to(client)
        assert told["why"] == say("server.relay.own-timer")
        assert told["seconds"] >= ANSWER

        client.send(b"second")
        asker = asked(upstream, b"second")
        upstream.sendto(b"to first", late)
        upstream.sendto(b"to second", asker)
        assert client.recv(100) == b"to second"


def test_nobody_is_there(relay: Relay) -> None:
    with relay.client() as client:
        with relay.upstream() as upstream:
            exchange(upstream, client, b"question", b"answer")
        client.send(b"question")
        told = relay.told_to(client)
        assert told["level"] == "WARNING"
        assert told["upstream"] == f"127.0.0.1:{relay.port}"
        assert "ECONNREFUSED" in told["why"]
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):  # nothing is answered; and the relay's port is open
            client.recv(100)
        client.settimeout(DEADLINE)

        with relay.upstream() as upstream:
            exchange(upstream, client, b"again", b"answer")


def test_an_answer_that_never_comes_is_told(relay: Relay) -> None:
    with relay.upstream() as upstream, relay.client() as client:
        exchange(upstream, client, b"question", b"answer")
        client.send(b"question")
        asked(upstream, b"question")
        told = relay.told_to(client)
        assert told["why"] == say("server.relay.own-timer")
        assert told["seconds"] >= ANSWER


@pytest.mark.parametrize("style", SIDE_BY_SIDE)
def test_when_it_stops_an_answer_is_waited_for_a_moment(style: str) -> None:
    port = a_free_port()
    with relaying(style, f"127.0.0.1:{port}", "--transport", "udp", "--address", "127.0.0.1") as server:
        relay = Relay(server, port)
        with relay.upstream() as upstream, relay.client() as client:
            client.send(b"question")
            asker = asked(upstream, b"question")
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            upstream.sendto(b"answer", asker)
            assert client.recv(100) == b"answer"
            assert server.process.wait(DEADLINE) == 0


def test_when_it_stops_nobody_waits_for_an_upstream_that_is_silent() -> None:
    port = a_free_port()
    more = ("--transport", "udp", "--address", "127.0.0.1", "--upstream-answer", str(3 * DEADLINE))
    with relaying("iterative", f"127.0.0.1:{port}", *more) as server:
        relay = Relay(server, port)
        with relay.upstream() as upstream, relay.client() as client:
            client.send(b"question")
            asked(upstream, b"question")
            assert server.stop() == 0


@pytest.mark.parametrize("style", ["iterative", "select", "epoll", "asyncio"])
def test_unix_sockets_carry_as_well_and_may_be_bound_anew(style: str, tmp_path: Path) -> None:
    path, far = str(tmp_path / "near"), str(tmp_path / "far")

    def upstream() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.settimeout(DEADLINE)
        sock.bind(far)
        return sock

    with (
        relaying(style, f"unix:{far}", "--transport", "unix-dgram", "--path", path) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(DEADLINE)
        client.bind("")
        client.connect(path)
        with upstream() as first:
            exchange(first, client, bytes(100_000), b"answer")
        Path(far).unlink()
        client.send(b"to nobody")
        assert server.wait_for("upstream-failed")["why"].startswith(("ECONNREFUSED", "ENOENT"))
        with upstream() as second:
            client.send(b"question")
            datagram, asker = second.recvfrom(100)
            if datagram == b"to nobody":  # it has been tried once more, and the new one was there already
                datagram, asker = second.recvfrom(100)
            assert datagram == b"question"
            second.sendto(b"answer", asker)
            assert client.recv(100) == b"answer"


def test_framed_goes_through_a_chain_of_relays() -> None:
    udp = ("--transport", "udp", "--address", "127.0.0.1")
    with (
        served("--style", "epoll", "--protocol", "framed", *udp) as framed,
        relaying("asyncio", f"127.0.0.1:{framed.port('framed', 'udp')}", *udp) as inner,
        relaying("epoll", f"localhost:{inner.port('relay', 'udp')}", *udp) as outer,
        Relay(outer, 0).client() as client,
    ):
        caller = FramedCaller("nonce")
        ident, datagram = caller.request({"op": "echo", "value": "through"})
        client.send(datagram)
        [answer] = caller.receive(client.recv(65535))
        assert isinstance(answer, Answer)
        assert (answer.id, answer.payload) == (ident, {"value": "through"})


class Table:
    """The relay's own table, in a loop of this process."""

    def __init__(self, upstream: Upstream, most: int) -> None:
        self.loop = Loop(EpollPoller())
        self.now = 0.0
        self.answers: list[tuple[bytes, object]] = []
        resolver = Resolver(upstream, socket.SOCK_DGRAM, self.loop.call_from_thread)
        self.routes = RelayDatagrams(
            resolver,
            LoopReaders(self.loop),
            lambda datagram, peer: self.answers.append((datagram, peer)),
            most=most,
            clock=lambda: self.now,
        )

    def run(self, until: Callable[[], bool]) -> None:
        self.loop.run(until, time.monotonic() + DEADLINE)
        assert until()


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.fixture
def table(far: socket.socket) -> Iterator[Table]:
    table = Table(Upstream(host="127.0.0.1", port=far.getsockname()[1], answer=10.0), most=2)
    yield table
    table.routes.close()
    table.loop.close()


def test_the_route_unused_longest_goes_for_a_new_one(table: Table, far: socket.socket) -> None:
    routes = table.routes
    ways = {}
    for peer in ("one", "two", "one", "three", "one"):
        routes.receive(peer.encode(), peer)
        _, ways[peer] = far.recvfrom(100)
    assert len(routes) == 2

    far.sendto(b"to two", ways["two"])  # nobody is there any more
    far.sendto(b"to one", ways["one"])
    table.run(lambda: bool(table.answers))
    assert table.answers == [(b"to one", "one")]


def test_routes_are_given_up_in_the_order_of_their_last_use(table: Table, far: socket.socket) -> None:
    routes = table.routes
    routes.receive(b"1", "one")
    table.now = 4.0
    routes.receive(b"2", "two")
    assert routes.due == 10.0

    far.recvfrom(100)
    _, way = far.recvfrom(100)
    table.now = 6.0
    far.sendto(b"to two", way)
    table.run(lambda: bool(table.answers))  # what comes back is a use, too
    table.now = 10.0
    routes.tick()
    assert len(routes) == 1
    assert routes.due == 16.0
    table.now = 15.9
    routes.tick()
    assert len(routes) == 1
    table.now = 16.0
    routes.tick()
    assert len(routes) == 0
    assert routes.due is None


def test_an_answer_is_awaited_until_something_comes_back(table: Table, far: socket.socket) -> None:
    routes = table.routes
    calls: list[bool] = []
    routes.on_answer = lambda: calls.append(routes.expecting)
    routes.receive(b"1", "one")
    routes.receive(b"2", "two")
    assert routes.expecting
    for _ in range(2):
        datagram, way = far.recvfrom(100)
        far.sendto(datagram, way)
    table.run(lambda: len(table.answers) == 2)
    assert calls == [True, False]


def test_what_is_sent_while_a_name_is_looked_up_is_sent_then(far: socket.socket) -> None:
    table = Table(Upstream(host="localhost", port=far.getsockname()[1]), most=2)
    for number in range(3):
        table.routes.receive(b"%d" % number, "one")
    assert table.routes.due is not None
    far.settimeout(0)
    with pytest.raises(BlockingIOError):
        far.recv(100)  # it takes a round of the loop at least
    far.settimeout(DEADLINE)

    table.loop.run(lambda: table.routes.expecting, time.monotonic() + DEADLINE)
    table.routes.close()
    table.loop.close()
