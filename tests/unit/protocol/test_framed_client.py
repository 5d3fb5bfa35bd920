"""The asking side of a framed session, against the serving side, in memory."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.protocol.errors import LocalProtocolError, RemoteProtocolError
from services.protocol.framed import FramedServing
from services.protocol.framed_client import Answer, Ended, FramedClient, FramedEvent, Refused, Welcomed
from services.protocol.framing import HEADER, LIMITS, MAGIC, Kind, Limits
from tests.unit.protocol.framed_session import SENT_NS, Clock, by_hand, sent_ns

WELCOME: dict[str, Any] = {"limits": {"payload": 100, "depth": 4, "waits": 2, "seconds": 10}}


def serving(clock: Clock | None = None, limits: Limits = LIMITS) -> FramedServing:
    return FramedServing(limits, itertools.count(1), clock or Clock(), sent_ns)


def welcomed(payload: dict[str, Any] | None = None) -> FramedClient:
    """A client that got a WELCOME, from nobody in particular."""
    client = FramedClient("n", epoch_ns=sent_ns)
    assert client.receive(by_hand(Kind.WELCOME, 0, payload or WELCOME)) == [
        Welcomed(payload or WELCOME, SENT_NS)
    ]
    return client


def mistake(action: Callable[[], object]) -> str:
    """The code of what our own program did wrong."""
    with pytest.raises(LocalProtocolError) as caught:
        action()
    assert str(caught.value)
    return caught.value.code


def test_a_session_from_hello_to_the_end() -> None:
    clock = Clock()
    server = serving(clock)
    client = FramedClient("n")
    before = client.welcomed
    (welcome,) = client.receive(server.receive(client.hello()))
    assert isinstance(welcome, Welcomed)
    assert welcome.sent_ns == SENT_NS
    assert (before, client.welcomed) == (False, True)

    late, asked_late = client.request({"op": "wait", "seconds": 2, "value": "late"})
    soon, asked_soon = client.request({"op": "echo", "value": {"á": [1, 2.5, None]}})
    wrong, asked_wrong = client.request({"op": "nonsense"})
    assert client.outstanding == {late, soon, wrong}
    answer, refused = client.receive(server.receive(asked_late + asked_soon + asked_wrong))
    assert answer == Answer(soon, {"value": {"á": [1, 2.5, None]}}, SENT_NS)
    assert isinstance(refused, Refused)
    assert (refused.id, refused.code) == (wrong, "unknown-op")
    assert "nonsense" in refused.why
    assert client.outstanding == {late}

    assert server.receive(b"") == b""
    clock.now += 2
    assert client.receive(server.tick()) == [Answer(late, {"value": "late"}, SENT_NS)]
    assert server.over == "eof"
    assert client.receive(b"") == [Ended("eof")]
    assert client.outstanding == set()


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.text(max_size=5)), max_size=20), st.randoms())
@settings(deadline=None)
def test_whatever_the_order_and_the_pieces_each_answer_finds_its_request(
    asked: list[tuple[int, str]], chance: random.Random
) -> None:
    clock = Clock()
    server = serving(clock)
    client = FramedClient("n")
    client.receive(server.receive(client.hello()))
    expected: dict[int, Any] = {}
    outgoing = b""
    for seconds, value in asked:
        ident, data = client.request(
            {"op": "wait" if seconds else "echo", "seconds": seconds, "value": value}
        )
        expected[ident] = {"value": value}
        outgoing += data
    incoming = b"".join(server.receive(piece) for piece in pieces(outgoing, chance))
    for _ in range(2):
        clock.now += 1
        incoming += server.tick()
    events = [event for piece in pieces(incoming, chance) for event in client.receive(piece)]
    answers = [event for event in events if isinstance(event, Answer)]
    assert len(answers) == len(events)
    assert {answer.id: answer.payload for answer in answers} == expected
    assert client.outstanding == set()


def pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """The same bytes, cut at random."""
    cut = []
    while data:
        size = chance.randint(1, 60)
        cut.append(data[:size])
        data = data[size:]
    return cut


def test_what_is_sent_tells_the_time() -> None:
    client = welcomed()
    for data in (client.hello(), client.request({"op": "count"})[1]):
        assert HEADER.unpack_from(data)[6] == SENT_NS


def test_no_request_before_the_welcome_nor_after_the_end() -> None:
    client = FramedClient("n")
    assert mistake(lambda: client.request({"op": "count"})) == "protocol.not-welcomed"
    client.receive(b"")
    assert mistake(lambda: client.request({"op": "count"})) == "protocol.after-end"
    assert mistake(lambda: client.receive(b"x")) == "protocol.after-end"


def test_what_the_server_does_not_accept_is_not_sent() -> None:
    client = welcomed()
    assert mistake(lambda: client.request({"value": "x" * 100})) == "protocol.too-large-to-send"
    assert mistake(lambda: client.request({"value": [[[[]]]]})) == "protocol.too-deep-to-send"
    assert client.outstanding == set()


def test_a_server_that_accepts_more_is_sent_more() -> None:
    server = serving(limits=Limits(payload=2 * LIMITS.payload))
    client = FramedClient("n", Limits(payload=2 * LIMITS.payload))
    client.receive(server.receive(client.hello()))
    ident, data = client.request({"op": "echo", "value": "x" * LIMITS.payload})
    assert client.receive(server.receive(data)) == [Answer(ident, {"value": "x" * LIMITS.payload}, SENT_NS)]


@pytest.mark.parametrize("greeted", [True, False])
def test_a_refused_session_is_over(greeted: bool) -> None:  # noqa: FBT001 - a parameter
    client = welcomed() if greeted else FramedClient("n")
    refusal = by_hand(Kind.ERROR, 0, {"code": "given-up", "why": "too slow"})
    assert client.receive(refusal + b"never looked at") == [
        Refused(None, "given-up", "too slow"),
        Ended("refused"),
    ]
    with pytest.raises(LocalProtocolError):
        client.receive(b"")


def test_what_the_server_says_to_an_offender_is_understood() -> None:
    server = serving()
    client = FramedClient("n")
    refused, ended = client.receive(server.receive(b"GET / HTTP/1.1\r\n\r\n"))
    assert refused == Refused(None, "bad-magic", str(server.over))
    assert ended == Ended("refused")


RESPONSE = by_hand(Kind.RESPONSE, 1, {"value": 1})
OFFENCES = [
    ("bad-magic", b"HTTP/1.1 400 Bad Request\r\n"),
    ("bad-version", HEADER.pack(MAGIC, 2, Kind.RESPONSE, 0, 2, 2, 0)),
    ("payload-too-large", HEADER.pack(MAGIC, 1, Kind.RESPONSE, 0, 2, LIMITS.payload + 1, 0)),
    ("not-json", by_hand(Kind.RESPONSE, 2, b"{")),
    ("unexpected-type", by_hand(Kind.WELCOME, 0, WELCOME)),
    ("unexpected-type", by_hand(Kind.REQUEST, 2)),
    ("unasked", RESPONSE),
    ("unasked", by_hand(Kind.RESPONSE, 99, {"value": 1})),
    ("unasked", by_hand(Kind.RESPONSE, 0, {"value": 1})),
    ("bad-field", by_hand(Kind.ERROR, 2, {"code": "busy"})),
    ("bad-field", by_hand(Kind.ERROR, 0, {"code": 1, "why": "x"})),
]


@pytest.mark.parametrize(("code", "data"), OFFENCES, ids=lambda given: str(given)[:30])
def test_a_server_that_does_not_conform_ends_the_session(code: str, data: bytes) -> None:
    client = welcomed()
    client.request({"op": "echo", "value": 1})
    client.request({"op": "echo", "value": 2})
    with pytest.raises(RemoteProtocolError) as caught:
        client.receive(RESPONSE + data)
    assert caught.value.code == f"protocol.{code}"
    assert caught.value.events == (Answer(1, {"value": 1}, SENT_NS),)
    assert str(caught.value)
    with pytest.raises(LocalProtocolError):
        client.receive(b"x")


@pytest.mark.parametrize("size", [1, 28, 30])
def test_a_stream_that_ends_within_an_answer_is_an_offence(size: int) -> None:
    client = welcomed()
    client.request({"op": "echo", "value": 1})
    assert client.receive(RESPONSE[:size]) == []
    with pytest.raises(RemoteProtocolError) as caught:
        client.receive(b"")
    assert caught.value.code == "protocol.unfinished-frame"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"limits": 1},
        {"limits": {"payload": 100}},
        {"limits": {"payload": 0, "depth": 4}},
        {"limits": {"payload": True, "depth": 4}},
        {"limits": {"payload": 100, "depth": "4"}},
    ],
    ids=str,
)
def test_a_welcome_tells_limits(payload: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        FramedClient("n").receive(by_hand(Kind.WELCOME, 0, payload))
    assert caught.value.code == "protocol.bad-field"


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.REQUEST, Kind.RESPONSE])
def test_the_first_frame_of_a_server_is_its_welcome(kind: Kind) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        FramedClient("n").receive(by_hand(kind, 1))
    assert caught.value.code == "protocol.unexpected-type"


@given(st.binary(max_size=80), st.integers(0, 120), st.lists(st.integers(0, 200), max_size=5))
@settings(deadline=None)
def test_whatever_a_server_sends_it_is_events_or_its_offence(change: bytes, at: int, cuts: list[int]) -> None:
    answers = (
        RESPONSE + by_hand(Kind.RESPONSE, 2, {"value": 2}) + by_hand(Kind.ERROR, 0, {"code": "c", "why": "w"})
    )
    data = answers[:at] + change + answers[at + len(change) :]

    def outcome(segments: list[bytes]) -> tuple[list[FramedEvent], str]:
        client = welcomed()
        client.request({"op": "echo", "value": 1})
        client.request({"op": "echo", "value": 2})
        events: list[FramedEvent] = []
        try:
            for segment in filter(None, segments):
                events += client.receive(segment)
                if Ended("refused") in events:
                    return events, ""
            return events + client.receive(b""), ""
        except RemoteProtocolError as error:
            return [*events, *error.events], error.code

    edges = [0, *sorted(cuts), len(data)]
    whole = outcome([data])
    assert outcome([data[i:j] for i, j in itertools.pairwise(edges) if i < j]) == whole
    assert outcome([bytes([byte]) for byte in data]) == whole
