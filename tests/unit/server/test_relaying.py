"""For how long a relay waits, and what it says of an upstream that is not to be had; without a server."""

import socket
import threading
from collections.abc import Callable

import pytest

from services.protocol.pump import Pump
from services.server.arguments import parse
from services.server.errors import UsageError, named
from services.server.options import Upstream
from services.server.relaying import until
from services.server.service import Limits
from services.server.upstream import Found, Resolver, all_of, resolve

LIMITS = Limits(idle=100.0, send=30.0, quiet=1.0)
ANSWER = 10.0


def ends(pump: Pump, *, draining: bool = False) -> tuple[float, str]:
    return until(pump, LIMITS, ANSWER, draining=draining)


class TestUntil:
    """When it ends if nothing more moves."""

    def test_idle_since_anything_moved(self) -> None:
        pump = Pump(0.0)
        assert ends(pump) == (100.0, "idle")
        pump.received(pump.far, b"welcome", 5.0)
        pump.sent(pump.near, 7, 6.0)
        assert ends(pump) == (106.0, "idle")

    def test_when_the_server_stops_what_is_quiet_is_over(self) -> None:
        pump = Pump(0.0)
        pump.moved = 50.0
        assert ends(pump, draining=True) == (51.0, "stopping")

    @pytest.mark.parametrize("draining", [True, False])
    def test_an_answer_is_waited_for_even_when_the_server_stops(self, *, draining: bool) -> None:
        pump = Pump(0.0)
        pump.received(pump.near, b"question", 5.0)
        pump.sent(pump.far, 8, 5.0)
        assert ends(pump, draining=draining) == (15.0, "upstream-no-answer")
        pump.received(pump.far, b"answer", 9.0)
        pump.sent(pump.near, 6, 9.0)
        assert ends(pump, draining=draining) == ((10.0, "stopping") if draining else (109.0, "idle"))

    def test_a_client_that_takes_nothing(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.far, b"answer", 5.0)
        assert ends(pump) == (35.0, "unread")
        pump.sent(pump.near, 1, 20.0)
        assert ends(pump) == (50.0, "unread")

    def test_an_upstream_that_takes_nothing(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.near, b"question", 5.0)
        assert ends(pump) == (35.0, "upstream-unread")

    def test_whatever_comes_first(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.near, b"question", 5.0)
        pump.received(pump.far, b"answer", 4.0)
        assert ends(pump) == (34.0, "unread")  # the one that was stuck first
        pump.sent(pump.near, 6, 6.0)
        pump.sent(pump.far, 1, 7.0)
        assert ends(pump) == (17.0, "upstream-no-answer")


class Caller:
    """Collects what is to be called in the loop; the test calls it."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.threads: list[threading.Thread] = []
        self.called = threading.Semaphore(0)

    def __call__(self, call: Callable[[], None]) -> None:
        self.calls.append(call)
        self.threads.append(threading.current_thread())
        self.called.release()


class TestResolver:
    """Names are looked up elsewhere, and numeric addresses at once."""

    @pytest.mark.parametrize(
        ("upstream", "expected"),
        [
            (Upstream(host="127.0.0.1", port=7), [(socket.AF_INET, ("127.0.0.1", 7))]),
            (Upstream(host="::1", port=7), [(socket.AF_INET6, ("::1", 7, 0, 0))]),
            (Upstream(path="/tmp/far"), [(socket.AF_UNIX, "/tmp/far")]),  # noqa: S108 - nothing is made there
            (Upstream(path="@far"), [(socket.AF_UNIX, "\0far")]),
        ],
        ids=str,
    )
    def test_what_needs_nobody_is_known_at_once(self, upstream: Upstream, expected: Found) -> None:
        seen: list[Found] = []
        caller = Caller()
        Resolver(upstream, socket.SOCK_STREAM, caller).resolve(seen.append)
        assert seen == [expected]
        assert caller.calls == []

    def test_a_name_is_looked_up_once_for_all_who_ask_meanwhile(self) -> None:
        seen: list[Found] = []
        caller = Caller()
        resolver = Resolver(Upstream(host="localhost", port=7), socket.SOCK_STREAM, caller)
        for _ in range(3):
            resolver.resolve(seen.append)
        assert caller.called.acquire(timeout=10)
        assert seen == []  # not in the other thread
        [call] = caller.calls
        assert caller.threads != [threading.main_thread()]

        call()
        [first, second, third] = seen
        assert first == second == third
        assert isinstance(first, list)
        assert {address[:2] for _, address in first} <= {("127.0.0.1", 7), ("::1", 7)}

        resolver.resolve(seen.append)  # and again for the next
        assert caller.called.acquire(timeout=10)

    def test_a_name_that_is_none(self) -> None:
        seen: list[Found] = []
        caller = Caller()
        Resolver(Upstream(host="a..b", port=7), socket.SOCK_STREAM, caller).resolve(seen.append)
        assert caller.called.acquire(timeout=10)
        caller.calls[0]()
        [error] = seen
        assert isinstance(error, socket.gaierror)
        assert named(error).startswith("EAI_NONAME")


def test_addresses_are_of_the_kind_that_is_asked_for() -> None:
    assert resolve(Upstream(host="127.0.0.1", port=7), socket.SOCK_DGRAM) == [
        (socket.AF_INET, ("127.0.0.1", 7))
    ]


def test_a_reason_is_told_once() -> None:
    refused, no_route = ConnectionRefusedError(111, "Connection refused"), OSError(113, "No route to host")
    assert all_of([refused, no_route, refused]) == (
        "ECONNREFUSED (Connection refused); EHOSTUNREACH (No route to host)"
    )


RELAY = ("--protocol", "relay", "--upstream", "127.0.0.1:7000")


@pytest.mark.parametrize("transport", ["tcp", "udp", "both"])
def test_streams_and_datagrams_are_relayed(transport: str) -> None:
    assert parse([*RELAY, "--transport", transport]).options.upstream == Upstream(host="127.0.0.1", port=7000)


def test_sequenced_packets_are_not_relayed() -> None:
    with pytest.raises(UsageError) as caught:
        parse([*RELAY, "--transport", "unix-seqpacket", "--path", "@near"])
    assert caught.value.code == "server.relay-no-packets"
