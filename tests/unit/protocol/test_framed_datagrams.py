"""The serving side of a framed datagram socket, without a socket; and the answers it keeps."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.protocol.answered import Answered
from services.protocol.framed import DatagramRequest, FramedDatagrams
from services.protocol.framing import DATAGRAM_LIMITS, HEADER, MAGIC, Kind, Limits
from services.protocol.operations import LONGEST_WAIT
from services.protocol.served import SERVED
from tests.unit.protocol.framed_session import SENT_NS, Clock, ask, by_hand, codes, frames

PEER = ("192.0.2.1", 5000)
OTHER = ("192.0.2.1", 5001)


class Passing:
    """A time of day that is another one whenever it is asked for."""

    def __init__(self) -> None:
        self._times = itertools.count(SENT_NS)

    def __call__(self) -> int:
        return next(self._times)


class Socket:
    """A serving side, the answers it keeps, and its clock."""

    def __init__(self, limits: Limits = DATAGRAM_LIMITS, entries: int = 100, size: int = 10_000) -> None:
        self.clock = Clock()
        self.answered: Answered[DatagramRequest] = Answered(entries, size, 60.0, self.clock)
        self.serving = FramedDatagrams(limits, self.answered, itertools.count(1), self.clock, Passing())

    def ask(self, ident: int, peer: tuple[str, int] = PEER, nonce: str = "n", **payload: Any) -> bytes:
        """The answer to one request, which must come at once."""
        answer = self.serving.receive(ask(ident, nonce=nonce, **payload), peer)
        assert answer is not None
        return answer

    def due_in(self) -> float | None:
        """Seconds until a late answer is due."""
        return None if self.serving.due is None else self.serving.due - self.clock.now

    def count(self, ident: int, peer: tuple[str, int] = PEER, nonce: str = "n") -> Any:
        """How many requests were executed."""
        ((_, _, payload),) = frames(self.ask(ident, peer, nonce, op="count"))
        return payload["value"]


def test_framed_is_served_in_datagrams() -> None:
    make = SERVED["framed"].datagrams
    assert make is not None
    serving = make()
    answer = serving.receive(ask(1, op="echo", value=1, nonce="n"), PEER)
    assert answer is not None
    assert frames(answer) == [("RESPONSE", 1, {"value": 1})]


def test_a_request_is_executed_once_for_each_peer_nonce_and_id() -> None:
    socket = Socket()
    assert socket.count(1) == 1
    assert socket.count(1) == 1
    assert socket.count(2) == 2
    assert socket.count(1, OTHER) == 3
    assert socket.count(1, nonce="m") == 4
    assert [socket.count(1), socket.count(2), socket.count(1, OTHER), socket.count(1, nonce="m")] == [
        1,
        2,
        3,
        4,
    ]


def test_a_repeated_request_gets_the_same_bytes() -> None:
    socket = Socket()
    first = socket.ask(1, op="echo", value="x")
    assert socket.ask(2, op="echo", value="x")[HEADER.size :] == first[HEADER.size :]
    # The time of the answer has passed on; that of the repeated one has not.
    assert socket.ask(1, op="echo", value="x") == first
    assert socket.ask(3, op="echo", value="x") != first


def test_a_wait_that_comes_again_is_scheduled_once() -> None:
    socket = Socket()
    request = ask(1, op="wait", seconds=1, value="v", nonce="n")
    assert [socket.serving.receive(request, PEER) for _ in range(3)] == [None, None, None]
    assert socket.due_in() == 1
    assert socket.serving.tick() == []
    socket.clock.now += 0.5
    assert socket.serving.receive(request, PEER) is None
    assert socket.serving.receive(request, OTHER) is None
    socket.clock.now += 0.5
    ((peer, answer),) = socket.serving.tick()
    assert peer == PEER
    assert frames(answer) == [("RESPONSE", 1, {"value": "v"})]
    assert socket.serving.receive(request, PEER) == answer
    assert socket.due_in() == 0.5
    socket.clock.now += 0.5
    assert [peer for peer, _ in socket.serving.tick()] == [OTHER]
    assert socket.due_in() is None
    assert socket.count(2) == 3


def test_what_was_refused_stays_refused_when_it_comes_again() -> None:
    socket = Socket(Limits(waits=1))
    assert socket.serving.receive(ask(1, op="wait", seconds=1, value=0, nonce="n"), PEER) is None
    busy = socket.ask(2, op="wait", seconds=1, value=0)
    assert codes(busy) == [("ERROR", 2, "busy")]
    socket.clock.now += 1
    assert len(socket.serving.tick()) == 1
    assert socket.ask(2, op="wait", seconds=1, value=0) == busy
    assert socket.serving.receive(ask(3, op="wait", seconds=1, value=0, nonce="n"), PEER) is None


REFUSED = {
    "bad-version": HEADER.pack(MAGIC, 2, Kind.REQUEST, 0, 9, 2, 0) + b"{}",
    "bad-type": by_hand(99, 9),
    "bad-flags": HEADER.pack(MAGIC, 1, Kind.REQUEST, 1, 9, 2, 0) + b"{}",
    "bad-length": ask(9, op="count", nonce="n") + b" ",
    "payload-too-large": HEADER.pack(MAGIC, 1, Kind.REQUEST, 0, 9, DATAGRAM_LIMITS.payload + 1, 0),
    "payload-not-utf8": by_hand(Kind.REQUEST, 9, b'{"\xff":1}'),
    "not-json": by_hand(Kind.REQUEST, 9, b"{"),
    "not-an-object": by_hand(Kind.REQUEST, 9, b"[]"),
    "too-deep": by_hand(Kind.REQUEST, 9, b'{"a":' + b"[" * 1000),
    "bad-number": by_hand(Kind.REQUEST, 9, b'{"op":"echo","value":NaN}'),
    "no-handshake": by_hand(Kind.HELLO, 9),
    "unknown-op": ask(9, op="no", nonce="n"),
    "no-value": ask(9, op="echo", nonce="n"),
    "bad-seconds": ask(9, op="wait", value=1, nonce="n"),
    "bad-nonce": ask(9, op="count"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_datagram_that_does_not_conform_is_told_so_and_nothing_else_is_touched(code: str) -> None:
    socket = Socket()
    answer = socket.serving.receive(REFUSED[code], PEER)
    assert answer is not None
    assert codes(answer) == [("ERROR", 9, code)]
    assert all(payload["why"] for _, _, payload in frames(answer))
    assert socket.due_in() is None
    assert socket.count(1) == 1


@pytest.mark.parametrize("nonce", [None, "", "x" * 65, 1, ["n"], {}], ids=str)
def test_the_nonce_is_a_text_of_bounded_length(nonce: Any) -> None:
    answer = Socket().serving.receive(ask(1, op="count", nonce=nonce), PEER)
    assert answer is not None
    assert codes(answer) == [("ERROR", 1, "bad-nonce")]


def test_a_request_has_an_id() -> None:
    answer = Socket().serving.receive(ask(0, op="count", nonce="n"), PEER)
    assert answer is not None
    assert codes(answer) == [("ERROR", 0, "bad-id")]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", [Kind.WELCOME, Kind.RESPONSE, Kind.ERROR])
def test_what_only_a_server_sends_is_never_answered(kind: Kind, version: int) -> None:
    # Else two servers, told of each other by one forged datagram, would answer each other for ever.
    datagram = HEADER.pack(MAGIC, version, kind, 0, 1, 2, 0) + b"[]"
    assert Socket().serving.receive(datagram, PEER) is None


@pytest.mark.parametrize("datagram", [b"", b"\0", b"SLAB", by_hand(3, 1)[:27], b"GET / HTTP/1.1\r\n" * 3])
def test_what_is_not_ours_is_never_answered(datagram: bytes) -> None:
    assert Socket().serving.receive(datagram, PEER) is None


def test_an_answer_always_fits_in_a_datagram() -> None:
    socket = Socket()
    rest = len(ask(1, op="echo", value="", nonce="n"))
    largest = socket.ask(1, op="echo", value="x" * (65_507 - rest))
    assert len(largest) <= 65_507
    grown = by_hand(Kind.REQUEST, 2, b'{"nonce":"n","op":"echo","value":[' + b"1e15," * 4000 + b"1]}")
    answer = socket.serving.receive(grown, PEER)
    assert answer is not None
    assert codes(answer) == [("ERROR", 2, "answer-too-large")]


def test_forgotten_answers_are_made_anew() -> None:
    socket = Socket(entries=2)
    assert [socket.count(ident) for ident in (1, 2)] == [1, 2]
    assert socket.count(1) == 1  # used, so now 2 is the one not asked for longest
    assert socket.count(3) == 3
    assert [socket.count(1), socket.count(3)] == [1, 3]
    assert socket.count(2) == 4


def test_a_wait_under_way_is_never_forgotten() -> None:
    socket = Socket(entries=1)
    request = ask(1, op="wait", seconds=5, value=0, nonce="n")
    assert socket.serving.receive(request, PEER) is None
    for ident in range(2, 50):
        socket.count(ident)
    assert socket.serving.receive(request, PEER) is None
    socket.clock.now += 5
    assert len(socket.serving.tick()) == 1
    assert socket.due_in() is None


def test_answers_are_bounded_in_number_the_one_not_used_longest_goes() -> None:
    answered: Answered[int] = Answered(entries=3, clock=Clock())
    for key in (1, 2, 3):
        answered.put(key, b"%d" % key)
    assert answered.get(1) == b"1"
    answered.put(4, b"4")
    assert [answered.get(key) for key in (1, 2, 3, 4)] == [b"1", None, b"3", b"4"]
    assert (len(answered), answered.size) == (3, 3)


def test_answers_are_bounded_in_bytes() -> None:
    answered: Answered[int] = Answered(size=10, clock=Clock())
    for key in (1, 2, 3):
        answered.put(key, b"four")
    assert [answered.get(key) for key in (1, 2, 3)] == [None, b"four", b"four"]
    answered.put(4, b"nine byte")
    assert (len(answered), answered.size) == (1, 9)
    answered.put(5, b"more than there is room")
    assert (len(answered), answered.size) == (0, 0)


def test_answers_are_bounded_in_age_since_they_were_used() -> None:
    clock = Clock()
    answered: Answered[int] = Answered(age=60, clock=clock)
    answered.put(1, b"1")
    clock.now += 30
    answered.put(2, b"2")
    clock.now += 29.9
    assert answered.get(1) == b"1"
    clock.now += 59.9
    assert answered.get(2) is None
    assert answered.get(1) == b"1"
    clock.now += 60
    answered.put(3, b"3")
    assert (len(answered), answered.size) == (1, 1)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30), st.floats(0, 20, allow_nan=False)), max_size=60)
)
def test_answers_keep_within_their_bounds(steps: list[tuple[int, int, float]]) -> None:
    clock = Clock()
    answered: Answered[int] = Answered(entries=4, size=60, age=30, clock=clock)
    kept: dict[int, bytes] = {}
    for key, size, seconds in steps:
        clock.now += seconds
        known = answered.get(key)
        assert known in (None, kept.get(key))
        if known is None:
            kept[key] = bytes(size)
            answered.put(key, kept[key])
        assert len(answered) <= 4
        assert answered.size == sum(len(answer) for _, answer in answered._answers.values())  # noqa: SLF001 - the sum
        assert answered.size <= 60


MUTATED = st.tuples(
    st.sampled_from([*REFUSED.values(), ask(9, op="wait", seconds=1, value=1, nonce="n")]),
    st.integers(0, 60),
    st.binary(max_size=3),
).map(lambda given: given[0][: given[1]] + given[2] + given[0][given[1] + len(given[2]) :])


@given(st.lists(st.binary(max_size=60) | MUTATED | st.binary(max_size=40).map(MAGIC.__add__), max_size=10))
@settings(deadline=None)
def test_whatever_comes_it_never_raises(datagrams: list[bytes]) -> None:
    socket = Socket(Limits(waits=2, payload=300))
    answers = [socket.serving.receive(datagram, PEER) for datagram in datagrams]
    socket.clock.now += LONGEST_WAIT
    late = [answer for _, answer in socket.serving.tick()]
    assert socket.due_in() is None
    for answer in (*filter(None, answers), *late):
        ((kind, _, _),) = frames(answer)
        assert kind in {"RESPONSE", "ERROR"}
    assert socket.count(1, nonce="after all") is not None
