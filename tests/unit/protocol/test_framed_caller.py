"""The asking side in datagrams: on its own, and against the serving side over a bad network."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.protocol.errors import LocalProtocolError
from services.protocol.framed import FramedDatagrams
from services.protocol.framed_client import BACKOFF, Answer, Backoff, FramedCaller, Lost, Refused
from services.protocol.framing import DATAGRAM_LIMITS, HEADER, MAGIC, Kind, from_json
from tests.unit.protocol.framed_session import SENT_NS, Clock, by_hand, sent_ns

RETRY = Backoff(first=1.0, factor=2.0, longest=3.0, attempts=4)
PEER = "peer"


def calling(clock: Clock, retry: Backoff = RETRY) -> FramedCaller:
    return FramedCaller("n", clock, sent_ns, retry)


def response(ident: int, value: object = 1) -> bytes:
    return by_hand(Kind.RESPONSE, ident, {"value": value})


def test_a_request_carries_the_nonce_and_the_time() -> None:
    caller = calling(Clock())
    payload = {"op": "count"}
    ident, datagram = caller.request(payload)
    assert from_json(datagram[HEADER.size :]) == {"op": "count", "nonce": "n"}
    assert HEADER.unpack_from(datagram) == (MAGIC, 1, Kind.REQUEST, 0, ident, len(datagram) - 28, SENT_NS)
    assert payload == {"op": "count"}
    assert ident == 1
    assert caller.request(payload)[0] == 2


def test_it_is_sent_again_after_growing_pauses_and_given_up_after_the_last() -> None:
    clock = Clock()
    caller = calling(clock)
    begun = clock.now
    ident, datagram = caller.request({"op": "count"})
    happened: list[tuple[float, list[bytes | Lost]]] = []
    while (due := caller.due) is not None:
        clock.now = due - 0.001
        assert caller.tick() == []
        clock.now = due
        happened.append((due - begun, caller.tick()))
    assert happened == [(1, [datagram]), (3, [datagram]), (6, [datagram]), (9, [Lost(ident, 4)])]
    assert caller.outstanding == set()
    assert caller.tick() == []
    assert caller.receive(response(ident)) == []


def test_a_tick_that_comes_late_sends_once_and_pauses_from_then_on() -> None:
    clock = Clock()
    caller = calling(clock)
    caller.request({"op": "count"})
    clock.now += 100
    assert len(caller.tick()) == 1
    assert caller.due == clock.now + 2


@pytest.mark.parametrize(
    ("retry", "pauses"),
    [
        (RETRY, (1.0, 2.0, 3.0, 3.0)),
        (Backoff(first=5.0, longest=3.0, attempts=2), (3.0, 3.0)),
        (Backoff(first=0.5, factor=1.0, attempts=3), (0.5, 0.5, 0.5)),
        (Backoff(attempts=1), (0.25,)),
        (BACKOFF, (0.25, 0.5, 1.0, 2.0, 4.0, 4.0)),
    ],
)
def test_pauses(retry: Backoff, pauses: tuple[float, ...]) -> None:
    assert retry.pauses() == pauses


def test_many_attempts_overflow_nothing() -> None:
    assert Backoff(attempts=5000).pauses()[-1] == BACKOFF.longest


def test_the_default_outlasts_the_longest_wait() -> None:
    assert sum(BACKOFF.pauses()) > 10


def test_an_answer_ends_the_retries_and_its_double_is_nothing() -> None:
    clock = Clock()
    caller = calling(clock)
    one, _ = caller.request({"op": "count"})
    two, again = caller.request({"op": "count"})
    assert caller.outstanding == {one, two}
    assert caller.receive(response(one)) == [Answer(one, {"value": 1}, SENT_NS)]
    assert caller.receive(response(one)) == []
    assert caller.outstanding == {two}
    clock.now += 1
    assert caller.tick() == [again]
    refusal = by_hand(Kind.ERROR, two, {"code": "busy", "why": "later"})
    assert caller.receive(refusal) == [Refused(two, "busy", "later")]
    assert caller.receive(refusal) == []
    assert caller.due is None


STRANGE = {
    "empty": b"",
    "short": response(1)[:27],
    "cut": response(1)[:-1],
    "more": response(1) + b" ",
    "magic": b"X" + response(1)[1:],
    "version": HEADER.pack(MAGIC, 2, Kind.RESPONSE, 0, 1, 2, 0) + b"{}",
    "session": by_hand(Kind.ERROR, 0, {"code": "given-up", "why": "x"}),
    "request": by_hand(Kind.REQUEST, 1),
    "welcome": by_hand(Kind.WELCOME, 1),
    "nobody's": response(2),
    "not JSON": by_hand(Kind.RESPONSE, 1, b"{"),
    "no code": by_hand(Kind.ERROR, 1, {"why": "x"}),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strangers_are_nothing_and_the_answer_is_still_waited_for(name: str) -> None:
    clock = Clock()
    caller = calling(clock)
    caller.request({"op": "count"})
    assert caller.receive(STRANGE[name]) == []
    assert caller.due == clock.now + 1
    assert caller.receive(response(1)) == [Answer(1, {"value": 1}, SENT_NS)]


@given(st.binary(max_size=60) | st.binary(max_size=40).map(MAGIC.__add__))
def test_whatever_comes_it_never_raises(datagram: bytes) -> None:
    caller = calling(Clock())
    caller.request({"op": "count"})
    caller.receive(datagram)


def test_what_fits_in_no_datagram_is_not_sent() -> None:
    caller = calling(Clock())
    rest = len(caller.request({"op": "echo", "value": ""})[1])
    _, largest = caller.request({"op": "echo", "value": "x" * (65_507 - rest)})
    assert len(largest) == 65_507 == HEADER.size + DATAGRAM_LIMITS.payload
    with pytest.raises(LocalProtocolError):
        caller.request({"op": "echo", "value": "x" * (65_508 - rest)})
    assert caller.outstanding == {1, 2}


class Network:
    """Two ways on which each datagram is lost, doubled and delayed by chance; delays reorder."""

    def __init__(self, chance: random.Random, loss: float) -> None:
        self._chance = chance
        self._loss = loss
        self._order = itertools.count()
        self.way: list[tuple[float, int, bool, bytes]] = []

    def send(self, now: float, datagram: bytes, *, to_server: bool) -> None:
        """Take one datagram on its way."""
        for _ in range(self._chance.choice([1, 1, 2, 3])):
            if self._chance.random() >= self._loss:
                arrives = now + self._chance.uniform(0, 1.5)
                self.way.append((arrives, next(self._order), to_server, datagram))

    def arrived(self, now: float) -> list[tuple[bool, bytes]]:
        """The datagrams whose time has come."""
        here = sorted(entry for entry in self.way if entry[0] <= now)
        self.way = [entry for entry in self.way if entry[0] > now]
        return [(to_server, datagram) for _, _, to_server, datagram in here]


@given(st.randoms(use_true_random=False), st.floats(0, 0.9), st.integers(1, 8))
@settings(deadline=None)
def test_over_a_bad_network_each_request_is_executed_at_most_once(
    chance: random.Random, loss: float, requests: int
) -> None:
    clock = Clock()
    caller = calling(clock)
    executed = itertools.count(1)
    server = FramedDatagrams(executed=executed, clock=clock, epoch_ns=sent_ns)
    network = Network(chance, loss)
    for number in range(requests):
        payload = {"op": "count"} if number % 2 else {"op": "wait", "seconds": 1, "value": None}
        network.send(clock.now, caller.request(payload)[1], to_server=True)
    ended: list[int] = []
    for _ in range(200):
        clock.now += 0.1
        for to_server, datagram in network.arrived(clock.now):
            if to_server:
                answer = server.receive(datagram, PEER)
                if answer is not None:
                    network.send(clock.now, answer, to_server=False)
            else:
                ended += [event.id for event in caller.receive(datagram) if isinstance(event, Answer)]
        for _, answer in server.tick():
            network.send(clock.now, answer, to_server=False)
        for told in caller.tick():
            if isinstance(told, Lost):
                ended.append(told.id)
            else:
                network.send(clock.now, told, to_server=True)
    assert sorted(ended) == list(range(1, requests + 1))
    assert caller.due is None
    assert not network.way
    assert next(executed) <= requests + 1
