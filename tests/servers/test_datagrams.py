"""What every server of datagrams does for good clients and bad ones, in every cell."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from services.protocol.framed_client import Answer, Backoff, FramedCaller, Refused
from services.protocol.framing import DATAGRAM_LIMITS, HEADER, MAGIC, VERSION, Kind, frame, to_json
from tests.loopback.running import DEADLINE, ask_health
from tests.servers.cells import DATAGRAMS, UNIX_DATAGRAMS, in_cells, of
from tests.servers.places import Place

ECHO, FRAMED = of("echo", DATAGRAMS) + of("relay", DATAGRAMS), of("framed", DATAGRAMS)
UDP_MOST = 65_507
"""Bytes of the longest UDP datagram over IPv4; over IPv6 and on AF_UNIX it fits too."""
ALL = 65_535


class Caller:
    """A good client of `framed`: the real one, on a socket."""

    def __init__(self, conn: socket.socket, retry: Backoff | None = None) -> None:
        self.conn = conn
        self.caller = FramedCaller("shared suite", retry=retry or Backoff())

    def ask(self, **request: Any) -> int:
        """Send a request; its id."""
        ident, datagram = self.caller.request(request)
        self.conn.send(datagram)
        return ident

    def hear(self) -> Answer | Refused:
        """The next answer; what gets lost is asked again."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            due = self.caller.due
            pause = DEADLINE if due is None else max(0.0, due - time.monotonic())
            if select.select([self.conn], [], [], pause)[0]:
                for event in self.caller.receive(self.conn.recv(ALL)):
                    return event
            for again in self.caller.tick():
                assert isinstance(again, bytes), again
                self.conn.send(again)
        pytest.fail("no answer")

    def value_of(self, **request: Any) -> Any:
        """The value that answers a request."""
        ident = self.ask(**request)
        answer = self.hear()
        assert isinstance(answer, Answer)
        assert answer.id == ident
        return answer.payload["value"]


@contextlib.contextmanager
def calling(place: Place, retry: Backoff | None = None) -> Iterator[Caller]:
    with place.connect() as conn:
        yield Caller(conn, retry)


def good_client(place: Place) -> None:
    if place.cell.protocol == "framed":
        with calling(place) as caller:
            assert caller.value_of(op="echo", value="good") == "good"
    else:
        with place.connect() as conn:
            conn.send(b"good")
            assert conn.recv(ALL) == b"good"


@in_cells(ECHO)
@pytest.mark.parametrize("size", [0, 1, 1472, 20_000, UDP_MOST])
def test_a_datagram_comes_back_whole(place: Place, size: int) -> None:
    datagram = bytes(range(256)) * 256
    with place.connect() as conn:
        conn.send(datagram[:size])
        assert conn.recv(ALL) == datagram[:size]


@in_cells(ECHO)
def test_each_client_gets_its_own(place: Place) -> None:
    with place.connect() as one, place.connect() as two:
        for conn, datagram in ((one, b"1"), (two, b"2"), (two, b"22"), (one, b"11")):
            conn.send(datagram)
        assert [one.recv(ALL), one.recv(ALL)] == [b"1", b"11"]
        assert [two.recv(ALL), two.recv(ALL)] == [b"2", b"22"]


@in_cells(DATAGRAMS, always=True)
def test_bursts_are_answered(place: Place) -> None:
    """As many as an ordinary receive buffer has room for; a Unix socket stops the sender before."""
    request = FramedCaller("burst").request({"op": "echo", "value": 1})[1]
    datagram = request if place.cell.protocol == "framed" else b"burst"
    with place.connect() as conn:
        for _ in range(5):
            sent = 0
            conn.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while sent < (10 if place.cell.way is UNIX_DATAGRAMS else 60):
                    conn.send(datagram)
                    sent += 1
            conn.settimeout(DEADLINE)
            assert sent
            for _ in range(sent):
                assert conn.recv(ALL)


@in_cells(DATAGRAMS)
def test_a_peer_that_is_gone_hurts_nobody_else(place: Place) -> None:
    """The answer meets a closed port: ICMP says so, or on AF_UNIX sendto() itself."""
    for _ in range(20):
        with place.connect() as conn:
            conn.send(b"x")
    good_client(place)


@in_cells([cell for cell in DATAGRAMS if cell.way is UNIX_DATAGRAMS])
def test_a_peer_without_a_name_cannot_be_answered(place: Place) -> None:
    _, request = FramedCaller("nameless").request({"op": "echo", "value": 1})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
        nameless.connect(place.where)
        for datagram in (b"", b"x", request):
            nameless.send(datagram)
        good_client(place)


@in_cells([cell for cell in DATAGRAMS if cell.way is UNIX_DATAGRAMS])
def test_a_peer_that_does_not_read_is_not_waited_for(place: Place) -> None:
    """What it has not read counts as unsent at the server, for all: it can fill that buffer, until it goes.

    On AF_UNIX a datagram is charged to the buffer of its sender, until it is read; and a client that is
    connected to the server has no limit of its own (unix_dgram_sendmsg(), net/unix/af_unix.c).
    """
    _, request = FramedCaller("deaf").request({"op": "echo", "value": 1})
    with place.connect() as deaf:
        ask_in_vain(deaf, request, 50)
        good_client(place)
        ask_in_vain(deaf, request, 1000)
        assert ask_health(place.server.health).returncode == 0
    good_client(place)


def ask_in_vain(deaf: socket.socket, datagram: bytes, times: int) -> None:
    for _ in range(times):
        deaf.send(datagram)


@in_cells(FRAMED)
def test_requests_are_answered(place: Place) -> None:
    with calling(place) as caller:
        assert caller.value_of(op="echo", value=["é", 1, None]) == ["é", 1, None]
        first = caller.value_of(op="count")
        assert caller.value_of(op="count") == first + 1


@in_cells(FRAMED)
def test_the_longest_request_is_answered(place: Place) -> None:
    overhead = len(to_json({"op": "echo", "value": "", "nonce": "shared suite"}))
    value = "x" * (DATAGRAM_LIMITS.payload - overhead)
    with calling(place) as caller:
        assert caller.value_of(op="echo", value=value) == value


@in_cells(FRAMED)
def test_answers_overtake_a_late_one(place: Place) -> None:
    with calling(place) as caller:
        late = caller.ask(op="wait", seconds=0.1, value="late")
        soon = caller.ask(op="echo", value="soon")
        assert [caller.hear().id, caller.hear().id] == [soon, late]


@in_cells(FRAMED)
def test_a_repeated_request_is_executed_once(place: Place) -> None:
    with calling(place) as caller:
        before = caller.value_of(op="count")
        _, datagram = caller.caller.request({"op": "count"})
        for _ in range(3):
            caller.conn.send(datagram)
        answers = [caller.conn.recv(ALL) for _ in range(3)]
        assert answers == 3 * answers[:1]
        assert caller.value_of(op="count") == before + 2


@in_cells(FRAMED)
def test_a_retry_gets_the_answer_that_was_lost(place: Place) -> None:
    with calling(place, Backoff(first=0.05)) as caller:
        before = caller.value_of(op="count")
        caller.ask(op="count")
        caller.conn.recv(ALL)  # lost on its way to the caller, who asks again
        answer = caller.hear()
        assert isinstance(answer, Answer)
        assert answer.payload == {"value": before + 1}
        assert caller.value_of(op="count") == before + 2


OFFENCES = {
    "bad-version": HEADER.pack(MAGIC, VERSION + 1, Kind.REQUEST, 0, 7, 2, 0) + b"{}",
    "bad-length": HEADER.pack(MAGIC, VERSION, Kind.REQUEST, 0, 7, 100, 0) + b"{}",
    "no-handshake": frame(Kind.HELLO, 7, b"{}", 0),
    "not-json": frame(Kind.REQUEST, 7, b"{", 0),
    "bad-nonce": frame(Kind.REQUEST, 7, b'{"op":"count"}', 0),
}
NOTHING_SAID = {
    "empty": b"",
    "garbage": bytes(range(256)),
    "half-a-header": MAGIC + b"\x01\x03",
    "an-answer": frame(Kind.RESPONSE, 7, b'{"value":1}', 0),
    "an-error": frame(Kind.ERROR, 7, b'{"code":"busy","why":""}', 0),
}
"""What is never answered, or two servers could answer each other for ever."""


@in_cells(FRAMED)
def test_what_does_not_conform_is_told_why_or_ignored(place: Place) -> None:
    with calling(place) as caller:
        for code, datagram in OFFENCES.items():
            caller.conn.send(datagram)
            assert f'"code":"{code}"'.encode() in caller.conn.recv(ALL)
        for datagram in NOTHING_SAID.values():
            caller.conn.send(datagram)
        assert caller.value_of(op="echo", value="the next that is answered") == "the next that is answered"
