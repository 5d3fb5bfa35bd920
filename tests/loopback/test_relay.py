"""A server that is a client: what it carries, and what it does when the upstream, or the client, fails.

In most tests the test is both the client and the upstream; only the relay is a process, one for each style.
"""

import contextlib
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from services.messages import say
from tests.loopback.running import DEADLINE, Server, read_to_end, served
from tests.loopback.upstreams import Upstream, accept, reset

STYLES = ("iterative", "threaded", "pool", "forking", "prefork", "select", "epoll", "asyncio")
KINDS = ("threaded", "epoll", "asyncio")
"""One of each way in which relays are made."""
ANSWER = 1.0
CONNECT = 0.5
BULK = random.Random(7).randbytes(6 * 1024 * 1024)  # noqa: S311 - no secret, only no pattern either
BROKEN = (ConnectionResetError, BrokenPipeError)


class Relay:
    """A relay that runs, and the upstream that the test plays."""

    def __init__(self, style: str, server: Server, upstream: Upstream) -> None:
        self.style = style
        self.server = server
        self.upstream = upstream
        self.behind = f"127.0.0.1:{upstream.port}"

    def connect(self) -> socket.socket:
        conn = socket.create_connection(("127.0.0.1", self.server.port("relay")), DEADLINE)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return conn

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Both ends: the client's connection, and the upstream's."""
        with self.upstream.listening() as listener, self.connect() as client, accept(listener) as far:
            yield client, far


@contextlib.contextmanager
def relaying(style: str, upstream: str, *more: str) -> Iterator[Server]:
    arguments = ("--style", style, "--protocol", "relay", "--upstream", upstream)
    where = () if "--path" in more else ("--address", "127.0.0.1")
    with served(*arguments, *where, *more) as server:
        yield server
        assert server.process.poll() in {None, 0}
        assert not [event for event in server.read_so_far() if event["event"] == "crashed"]
        assert server.complaints() == ""


@pytest.fixture(scope="module", params=STYLES)
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """A relay of each style."""
    upstream = Upstream()
    limits = ("--upstream-answer", str(ANSWER), "--upstream-connect", str(CONNECT))
    with relaying(request.param, f"127.0.0.1:{upstream.port}", *limits) as server:
        yield Relay(request.param, server, upstream)


@pytest.fixture(scope="module")
def outer(relay: Relay) -> Iterator[Relay]:
    """A relay before the relay, more patient than it; of the same style."""
    port = relay.server.port("relay")
    # By name: it has to be looked up, and may stand for addresses at which nobody listens, too.
    with relaying(relay.style, f"localhost:{port}", "--upstream-answer", "8") as server:
        yield Relay(relay.style, server, relay.upstream)


def in_background(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def send_and_finish(conn: socket.socket, data: bytes) -> None:
    conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)


def seconds_until_reset(conn: socket.socket) -> float:
    begin = time.monotonic()
    with pytest.raises(ConnectionResetError):
        conn.recv(1)
    return time.monotonic() - begin


def send_until_broken(conn: socket.socket) -> bool:
    """Send on and on; whether the connection breaks within a generous time."""
    end = time.monotonic() + DEADLINE
    with contextlib.suppress(*BROKEN):
        while time.monotonic() < end:
            conn.sendall(bytes(65536))
        return False
    return True


class TestCarrying:
    """What one side sends, the other gets."""

    def test_pieces_go_there_and_back(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            for word in (b"one", b"two"):
                client.sendall(word)
                assert far.recv(100) == word
                far.sendall(word.upper())
                assert client.recv(100) == word.upper()

    def test_the_upstream_may_speak_first(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            far.sendall(b"220 welcome")
            assert client.recv(100) == b"220 welcome"

    def test_megabytes_go_both_ways_at_once(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            # Each side sends everything before it closes, and nobody waits for the other's.
            senders = [in_background(partial(send_and_finish, conn, BULK)) for conn in (client, far)]
            arrived: list[bytes] = []
            reader = in_background(lambda: arrived.append(read_to_end(far)))
            assert read_to_end(client) == BULK
            for thread in (*senders, reader):
                thread.join(DEADLINE)
            assert arrived == [BULK]

    def test_a_client_that_has_closed_its_side_gets_the_whole_answer(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            send_and_finish(client, b"question")
            assert read_to_end(far) == b"question"  # the FIN has come through, behind the data
            sender = in_background(partial(send_and_finish, far, BULK))
            assert read_to_end(client) == BULK
            sender.join(DEADLINE)

    def test_an_upstream_that_has_closed_its_side_is_sent_to_on(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            far.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
            sender = in_background(partial(send_and_finish, client, BULK))
            assert read_to_end(far) == BULK
            sender.join(DEADLINE)

    def test_what_was_sent_before_the_upstream_was_there_is_not_lost(self, relay: Relay) -> None:
        with relay.upstream.listening() as listener, relay.connect() as client:
            client.sendall(b"early")
            client.shutdown(socket.SHUT_WR)
            time.sleep(0.1)
            with accept(listener) as far:
                assert read_to_end(far) == b"early"
                far.close()
                assert client.recv(1) == b""


class TestFailing:
    """An error on one side is an error on the other, never an end."""

    def test_a_reset_of_the_client_reaches_the_upstream(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            client.sendall(b"x")
            assert far.recv(1) == b"x"
            reset(client)
            with pytest.raises(ConnectionResetError):
                far.recv(1)

    def test_a_reset_of_the_upstream_reaches_the_client(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            far.sendall(b"half an ans")
            assert client.recv(100) == b"half an ans"
            reset(far)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        told = relay.server.wait_for("upstream-broken")
        assert told["level"] == "WARNING"
        assert told["upstream"] == relay.behind
        assert "ECONNRESET" in told["why"]
        assert told["seconds"] >= 0

    def test_a_client_that_closed_its_side_and_then_resets_is_noticed(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            client.shutdown(socket.SHUT_WR)
            assert far.recv(1) == b""
            reset(client)
            poll = select.poll()
            poll.register(far, 0)  # reported for an error only
            assert poll.poll(DEADLINE * 1000)

    def test_nobody_listens_there(self, relay: Relay) -> None:
        with pytest.raises(ConnectionResetError), relay.connect() as client:  # maybe before connect() is over
            client.recv(1)
        told = relay.server.wait_for("upstream-unreachable")
        assert told["level"] == "WARNING"
        assert told["upstream"] == relay.behind
        assert "ECONNREFUSED" in told["why"]
        assert told["seconds"] >= 0

    def test_the_connection_is_not_answered(self, relay: Relay) -> None:
        with relay.upstream.listening(backlog=0) as listener, contextlib.ExitStack() as fillers:
            for _ in range(2):  # a full accept queue answers no SYN
                filler = fillers.enter_context(socket.socket())
                filler.settimeout(0)
                filler.connect_ex(listener.getsockname())
            time.sleep(0.1)
            with relay.connect() as client:
                assert seconds_until_reset(client) >= CONNECT * 0.9  # from its accept(), a little before
        told = relay.server.wait_for("upstream-unreachable")
        assert told["why"] == say("server.relay.own-timer")
        assert told["seconds"] >= CONNECT

    def test_the_upstream_does_not_answer(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            far.sendall(b"hello, and no more")
            assert client.recv(100)
            time.sleep(ANSWER / 2)
            client.sendall(b"question")
            assert far.recv(100) == b"question"
            assert seconds_until_reset(client) >= ANSWER / 2
            with pytest.raises(ConnectionResetError):
                far.recv(1)
        told = relay.server.wait_for("upstream-no-answer")
        assert told["level"] == "WARNING"
        assert told["upstream"] == relay.behind
        assert told["seconds"] >= ANSWER

    @pytest.mark.parametrize("relay", KINDS, indirect=True)
    def test_an_answer_may_take_its_time_between_the_bytes(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            client.sendall(b"question")
            assert far.recv(100)
            far.sendall(b"an")
            assert client.recv(100) == b"an"
            time.sleep(ANSWER * 1.5)  # an answer has begun: from here on only --idle counts
            far.sendall(b"swer")
            assert client.recv(100) == b"swer"

    @pytest.mark.parametrize("relay", KINDS, indirect=True)
    def test_an_upstream_that_reads_nothing_is_given_up(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            assert send_until_broken(client)
            with pytest.raises(ConnectionResetError):
                read_to_end(far)
        assert relay.server.wait_for("upstream-no-answer")["seconds"] >= ANSWER

    @pytest.mark.parametrize("relay", KINDS, indirect=True)
    def test_a_client_that_does_not_read_is_not_the_upstreams_fault(self, relay: Relay) -> None:
        with relay.connected() as (client, far):
            sender = in_background(partial(send_and_finish, far, 4 * BULK))
            time.sleep(0.2)
            client.sendall(b"question")  # there is no answer to be read before the client has read the rest
            time.sleep(ANSWER * 1.5)
            assert read_to_end(client) == 4 * BULK
            sender.join(DEADLINE)
            assert far.recv(100) == b"question"


class TestChains:
    """Three programs in a row: client, relay, relay, server."""

    def test_a_half_closed_chain_gives_everything_back(self, relay: Relay, outer: Relay) -> None:
        port = ("--port", str(relay.upstream.port))
        with served("--style", "epoll", "--address", "127.0.0.1", *port), outer.connect() as client:
            sender = in_background(partial(send_and_finish, client, BULK))
            assert read_to_end(client) == BULK
            sender.join(DEADLINE)

    def test_the_inner_relay_gives_up_first(self, relay: Relay, outer: Relay) -> None:
        with relay.upstream.listening() as listener, outer.connect() as client, accept(listener) as silent:
            client.sendall(b"question")
            assert silent.recv(100) == b"question"
            seconds_until_reset(client)

        no_answer = relay.server.wait_for("upstream-no-answer")
        broken = outer.server.wait_for("upstream-broken")
        assert no_answer["seconds"] >= ANSWER
        assert "ECONNRESET" in broken["why"]
        assert no_answer["time"] <= broken["time"]
        assert not [event for event in outer.server.read_so_far() if event["event"] == "upstream-no-answer"]

    @pytest.mark.parametrize("style", KINDS)
    def test_the_outer_relay_gives_up_first(self, style: str) -> None:
        upstream = Upstream()
        with (
            upstream.listening() as listener,
            relaying(style, f"127.0.0.1:{upstream.port}", "--upstream-answer", "8") as inner,
            relaying(style, f"127.0.0.1:{inner.port('relay')}", "--upstream-answer", "0.5") as outer,
            Relay(style, outer, upstream).connect() as client,
            accept(listener) as silent,
        ):
            client.sendall(b"question")
            assert silent.recv(100) == b"question"
            seconds_until_reset(client)
            with pytest.raises(ConnectionResetError):
                silent.recv(1)  # all the way through: nobody goes on working for a client that is gone

            assert outer.wait_for("upstream-no-answer")["seconds"] >= 0.5
            assert not [event for event in inner.read_so_far() if event["level"] == "WARNING"]
