"""The serving side of a framed session, without a socket."""

import itertools
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.protocol.errors import LocalProtocolError
from services.protocol.framed import FramedServing
from services.protocol.framing import HEADER, LIMITS, MAGIC, Kind, Limits
from services.protocol.operations import LONGEST_WAIT
from services.protocol.served import SERVED
from services.protocol.serving import Serving, Stage
from tests.unit.protocol.framed_session import Clock, ask, by_hand, codes, frames, hello, sent_ns

SMALL = Limits(payload=200, depth=4, waits=3)


def serve(*, limits: Limits = LIMITS, clock: Clock | None = None, greeted: bool = True) -> FramedServing:
    """A serving side with a time of its own; greeted already, unless asked otherwise."""
    serving = FramedServing(limits, itertools.count(1), clock or Clock(), sent_ns)
    if greeted:
        assert codes(serving.receive(hello())) == [("WELCOME", 0, "")]
    return serving


def response(ident: int, value: Any) -> tuple[str, int, dict[str, Any]]:
    return "RESPONSE", ident, {"value": value}


def test_framed_is_served_with_late_answers() -> None:
    served = SERVED["framed"]
    serving: Serving = served.connection()
    assert served.timed
    assert served.datagrams is not None
    assert (serving.stage, serving.messages, serving.due, serving.over) == (Stage.HANDSHAKE, 0, None, None)


def test_welcome_tells_the_limits() -> None:
    welcome = serve(limits=SMALL, greeted=False).receive(hello())
    limits = {"payload": 200, "depth": 4, "waits": 3, "seconds": LONGEST_WAIT}
    assert frames(welcome) == [("WELCOME", 0, {"limits": limits})]


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, 10**30, "", "x" * 64, "á\U0001f600", "\ud800", [], [[1], {}], {"a": {"b": 1}}],
)
def test_echo_gives_the_value_back(value: Any) -> None:
    serving = serve()
    assert frames(serving.receive(ask(7, op="echo", value=value))) == [response(7, value)]
    assert serving.over is None


def test_count_tells_how_many_requests_were_executed_itself_included() -> None:
    executed = itertools.count(1)
    one, other = FramedServing(executed=executed), FramedServing(executed=executed)
    one.receive(hello())
    other.receive(hello())
    one.receive(ask(1, op="echo", value=1) + ask(2, op="nonsense") + ask(3, op="wait", seconds=9, value=1))
    assert frames(other.receive(ask(1, op="count"))) == [response(1, 3)]
    assert frames(one.receive(ask(4, op="count"))) == [response(4, 4)]


def test_many_frames_at_once_are_answered_at_once() -> None:
    serving = serve()
    answers = serving.receive(b"".join(ask(ident, op="echo", value=ident) for ident in range(1, 1001)))
    assert frames(answers) == [response(ident, ident) for ident in range(1, 1001)]
    assert serving.messages == 1001


def test_the_nonce_may_be_left_out_or_not() -> None:
    assert frames(serve().receive(ask(1, op="echo", value=1, nonce="n"))) == [response(1, 1)]


def test_the_stage_tells_what_is_waited_for() -> None:
    serving = serve(greeted=False)
    stages = []
    for byte in hello() + ask(1, op="echo", value=1):
        stages.append((serving.stage, serving.messages))
        serving.receive(bytes([byte]))
    assert [stage for stage, _ in itertools.groupby(stages)] == [
        (Stage.HANDSHAKE, 0),
        (Stage.BETWEEN, 1),
        (Stage.MESSAGE, 1),
    ]
    assert (serving.stage, serving.messages) == (Stage.BETWEEN, 2)


OFFENCES = {
    "bad-magic": b"GET / HTTP/1.1\r\n\r\n",
    "bad-version": HEADER.pack(MAGIC, 2, Kind.REQUEST, 0, 9, 2, 0),
    "bad-type": by_hand(99, 9),
    "bad-flags": HEADER.pack(MAGIC, 1, Kind.REQUEST, 1, 9, 2, 0),
    "bad-id": ask(0, op="echo", value=1),
    "payload-too-large": HEADER.pack(MAGIC, 1, Kind.REQUEST, 0, 9, LIMITS.payload + 1, 0),
    "payload-not-utf8": by_hand(Kind.REQUEST, 9, b'{"\xff":1}'),
    "not-json": by_hand(Kind.REQUEST, 9, b"{"),
    "not-an-object": by_hand(Kind.REQUEST, 9, b"[]"),
    "too-deep": by_hand(Kind.REQUEST, 9, b'{"a":' + b"[" * 1000),
    "bad-number": by_hand(Kind.REQUEST, 9, b'{"op":"echo","value":NaN}'),
    "unexpected-type": by_hand(Kind.RESPONSE, 9),
    "hello-repeated": hello(),
}


@pytest.mark.parametrize("code", OFFENCES)
def test_an_offender_is_told_why_and_the_session_is_over(code: str) -> None:
    serving = serve()
    # A late answer is outstanding: it is never given.
    serving.receive(ask(1, op="wait", seconds=1, value=1))
    answers = serving.receive(ask(2, op="echo", value="before") + OFFENCES[code] + ask(3, op="count"))
    before, last = frames(answers)
    assert before == response(2, "before")
    assert last == ("ERROR", 0, {"code": code, "why": serving.over})
    assert serving.over
    assert serving.over.isprintable()
    assert serving.due is None
    assert serving.tick() == b""
    for more in (b"x", ask(4, op="count")):
        with pytest.raises(LocalProtocolError):
            serving.receive(more)


@pytest.mark.parametrize("code", OFFENCES)
def test_an_offence_touches_its_own_session_only(code: str) -> None:
    clock = Clock()
    offender, bystander = serve(clock=clock), serve(clock=clock)
    bystander.receive(ask(1, op="wait", seconds=1, value="late"))
    offender.receive(OFFENCES[code])
    assert offender.over
    assert frames(bystander.receive(ask(2, op="echo", value=2))) == [response(2, 2)]
    clock.now += 1
    assert frames(bystander.tick()) == [response(1, "late")]
    assert bystander.over is None


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.HELLO])
def test_the_first_frame_must_be_hello(kind: Kind) -> None:
    serving = serve(greeted=False)
    assert codes(serving.receive(by_hand(kind, 1))) == [("ERROR", 0, "unexpected-type")]
    assert serving.over
    assert "HELLO" in serving.over


REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("unknown-op", {}),
    ("unknown-op", {"op": "ECHO", "value": 1}),
    ("unknown-op", {"op": None}),
    ("unknown-op", {"op": ["echo"]}),
    ("unknown-op", {"op": {"{seen}": "%s"}}),
    ("unknown-op", {"op": "\ud800" * 100}),
    ("unknown-op", {"op": 10**4000}),
    ("no-value", {"op": "echo"}),
    ("no-value", {"op": "wait", "seconds": 1}),
    ("bad-seconds", {"op": "wait", "value": 1}),
    ("bad-seconds", {"op": "wait", "value": 1, "seconds": -0.001}),
    ("bad-seconds", {"op": "wait", "value": 1, "seconds": 10.001}),
    ("bad-seconds", {"op": "wait", "value": 1, "seconds": 10**4000}),
    ("bad-seconds", {"op": "wait", "value": 1, "seconds": True}),
    ("bad-seconds", {"op": "wait", "value": 1, "seconds": "1"}),
]


@pytest.mark.parametrize(("code", "request_"), REFUSALS, ids=lambda given: str(given)[:40])
def test_a_refused_request_costs_only_itself(code: str, request_: dict[str, Any]) -> None:
    serving = serve()
    assert codes(serving.receive(by_hand(Kind.REQUEST, 5, request_))) == [("ERROR", 5, code)]
    assert (serving.over, serving.due) == (None, None)
    assert frames(serving.receive(ask(6, op="count"))) == [response(6, 1)]


@pytest.mark.parametrize("op", [b'"echo"', b'"wait","seconds":1'])
def test_an_answer_that_grew_over_the_limit_is_refused(op: bytes) -> None:
    serving = serve()
    # What is 4 characters long in the request is 18 in the answer: 1000000000000000.0
    request = by_hand(Kind.REQUEST, 5, b'{"op":' + op + b',"value":[' + b"1e15," * 4000 + b"1]}")
    assert codes(serving.receive(request)) == [("ERROR", 5, "answer-too-large")]
    assert (serving.over, serving.due) == (None, None)
    assert frames(serving.receive(ask(6, op="count"))) == [response(6, 1)]


def test_waits_are_answered_when_due_and_overtaken_meanwhile() -> None:
    clock = Clock()
    serving = serve(clock=clock)
    begun = clock.now
    assert (
        serving.receive(ask(1, op="wait", seconds=3, value="c") + ask(2, op="wait", seconds=1, value="a"))
        == b""
    )
    assert frames(serving.receive(ask(3, op="echo", value="first"))) == [response(3, "first")]
    serving.receive(ask(4, op="wait", seconds=1, value="b"))
    assert serving.due == begun + 1
    clock.now = begun + 0.999
    assert serving.tick() == b""
    clock.now = begun + 1
    assert frames(serving.tick()) == [response(2, "a"), response(4, "b")]
    assert serving.due == begun + 3
    clock.now = begun + 100
    assert frames(serving.tick()) == [response(1, "c")]
    assert [serving.due, serving.over] == [None, None]


def test_a_wait_of_no_time_is_due_at_once() -> None:
    clock = Clock()
    serving = serve(clock=clock)
    serving.receive(ask(1, op="wait", seconds=0, value=1))
    assert serving.due == clock.now
    assert frames(serving.tick()) == [response(1, 1)]


def test_waits_in_flight_are_bounded_in_number() -> None:
    clock = Clock()
    serving = serve(limits=SMALL, clock=clock)
    asked = b"".join(ask(ident, op="wait", seconds=ident, value=0) for ident in (1, 2, 3, 4))
    assert codes(serving.receive(asked)) == [("ERROR", 4, "busy")]
    clock.now += 1
    serving.tick()
    assert serving.receive(ask(5, op="wait", seconds=1, value=0)) == b""


def test_waits_in_flight_are_bounded_in_bytes() -> None:
    clock = Clock()
    serving = serve(limits=SMALL, clock=clock)
    asked = b"".join(ask(ident, op="wait", seconds=ident, value="x" * 100) for ident in (1, 2))
    assert codes(serving.receive(asked)) == [("ERROR", 2, "busy")]
    clock.now += 1
    serving.tick()
    assert serving.receive(ask(3, op="wait", seconds=1, value="x" * 100)) == b""


def test_after_the_end_of_the_stream_waits_are_still_answered() -> None:
    clock = Clock()
    serving = serve(clock=clock)
    serving.receive(ask(1, op="wait", seconds=1, value=1) + ask(2, op="wait", seconds=2, value=2))
    assert serving.receive(b"") == b""
    assert serving.over is None
    for more in (b"x", ask(3, op="count")):
        with pytest.raises(LocalProtocolError):
            serving.receive(more)
    clock.now += 1
    assert frames(serving.tick()) == [response(1, 1)]
    assert serving.over is None
    clock.now += 1
    assert frames(serving.tick()) == [response(2, 2)]
    assert serving.over == "eof"


@pytest.mark.parametrize("greeted", [True, False])
def test_the_end_of_the_stream_ends_it(greeted: bool) -> None:  # noqa: FBT001 - a parameter
    serving = serve(greeted=greeted)
    assert serving.receive(b"") == b""
    assert serving.over == "eof"


@pytest.mark.parametrize("size", [1, 3, 4, 27, 28, 30])
def test_the_end_of_the_stream_within_a_frame_is_told(size: int) -> None:
    serving = serve()
    serving.receive(ask(1, op="echo", value=1)[:size])
    assert codes(serving.receive(b"")) == [("ERROR", 0, "unfinished-frame")]
    assert serving.over
    assert str(size) in serving.over


def test_given_up_it_tells_why_and_forgets_what_is_outstanding() -> None:
    serving = serve()
    serving.receive(ask(1, op="wait", seconds=1, value=1))
    assert frames(serving.give_up("too slow")) == [("ERROR", 0, {"code": "given-up", "why": "too slow"})]
    assert (serving.over, serving.due) == ("too slow", None)


Said = list[tuple[str, int, dict[str, Any]]]


def conversation(segments: list[bytes]) -> tuple[Said, bool]:
    """All frames said to these segments and to the end of the stream; whether it was that which ended it.

    Without the sentences: they show what had arrived when the offence was found.
    """
    clock = Clock()
    serving = serve(limits=SMALL, clock=clock, greeted=False)
    said = b""
    for segment in (*segments, b""):
        if serving.over is None:
            said += serving.receive(segment)
        assert len(serving._buffer._held or b"") < HEADER.size + SMALL.payload  # noqa: SLF001 - shows nowhere else
    clock.now += LONGEST_WAIT
    said += serving.tick()
    assert serving.over is not None
    heard = frames(said)
    for _, _, payload in heard:
        payload.pop("why", None)
    return heard, serving.over == "eof"


REQUESTS = st.builds(
    lambda ident, payload: by_hand(Kind.REQUEST, ident, payload),
    st.integers(0, 3),
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(["echo", "wait", "count", "no", 1, []]),
            "value": st.text(max_size=80)
            | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
            "seconds": st.sampled_from([0, 1, 10, 11, -1, 0.5, "1", None]),
            "nonce": st.text(max_size=3),
        },
    ),
)
STREAMS = st.lists(REQUESTS, max_size=8).map(lambda parts: hello() + b"".join(parts))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A session with some bytes changed, taken out or put in."""
    data = bytearray(draw(STREAMS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@given(STREAMS | mutated() | st.binary() | st.binary().map(lambda rest: hello() + rest), st.data())
@settings(deadline=None, max_examples=400)
def test_whatever_comes_in_whatever_pieces_it_never_raises_and_ends(data: bytes, cuts: st.DataObject) -> None:
    whole = conversation([data] if data else [])
    assert conversation([bytes([byte]) for byte in data]) == whole
    at = sorted(cuts.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    segments = [data[i:j] for i, j in zip([0, *at], [*at, len(data)], strict=True)]
    assert conversation([segment for segment in segments if segment]) == whole
    heard, to_the_end = whole
    assert {kind for kind, _, _ in heard} <= {"WELCOME", "RESPONSE", "ERROR"}
    assert to_the_end == all(ident for kind, ident, _ in heard if kind == "ERROR")


def test_every_cut_in_two_gives_the_same_session() -> None:
    data = hello() + ask(1, op="echo", value="\ud800é") + ask(2, op="count") + ask(3, op="echo", value=[{}])
    whole = conversation([data])
    for at in range(1, len(data)):
        assert conversation([data[:at], data[at:]]) == whole


ALONE: list[tuple[bytes, list[tuple[str, int, str]]]] = [
    (ask(1, op="echo", value=1), [("RESPONSE", 1, "")]),
    (by_hand(Kind.REQUEST, 1, b' {"op":"echo","value":1} '), [("RESPONSE", 1, "")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":1}x'), [("ERROR", 0, "not-json")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":1e999}'), [("ERROR", 0, "bad-number")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":"\xff"}'), [("ERROR", 0, "payload-not-utf8")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":[[[[]]]]}'), [("ERROR", 0, "too-deep")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":"[[[[[["}'), [("RESPONSE", 1, "")]),
    (by_hand(Kind.REQUEST, 1, b'["op"]'), [("ERROR", 0, "not-an-object")]),
    (by_hand(Kind.REQUEST, 1, b'"op"'), [("ERROR", 0, "not-an-object")]),
    (by_hand(Kind.REQUEST, 1, b""), [("ERROR", 0, "not-json")]),
    (by_hand(Kind.REQUEST, 1, b"{}"), [("ERROR", 1, "unknown-op")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo"}'), [("ERROR", 1, "no-value")]),
    (
        by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":[' + b"1e15," * 30 + b"1]}"),
        [("ERROR", 1, "answer-too-large")],
    ),
    (ask(0, op="echo", value=1), [("ERROR", 0, "bad-id")]),
    (by_hand(Kind.REQUEST, 1, b'{"op":"echo","value":1}')[:-1], [("ERROR", 0, "unfinished-frame")]),
    (ask(1, op="echo", value="x" * 180), [("ERROR", 0, "payload-too-large")]),
]


@pytest.mark.parametrize(("data", "answers"), ALONE, ids=lambda given: str(given)[:60])
def test_a_request_alone_gets_what_it_gets_in_pieces(
    data: bytes, answers: list[tuple[str, int, str]]
) -> None:
    heard, _ = conversation([hello(), data])
    assert [(kind, ident, payload.get("code", "")) for kind, ident, payload in heard[1:]] == answers
    assert conversation([hello(), data[:9], data[9:]]) == conversation([hello(), data])
    one, two = serve(limits=SMALL), serve(limits=SMALL)
    one.receive(data)
    two.receive(data[:9])
    two.receive(data[9:])
    assert one.messages == two.messages
    if one.over is None and two.over is None:
        assert one.receive(ask(9, op="count")) == two.receive(ask(9, op="count"))


def test_a_payload_that_looks_like_a_request_is_none() -> None:
    inner = ask(2, op="count")
    heard, _ = conversation([hello(), by_hand(Kind.REQUEST, 1, inner)[: HEADER.size], inner])
    assert [payload.get("code") for _, _, payload in heard[1:]] == ["payload-not-utf8"]


def test_a_session_costs_less_than_a_kilobyte_while_idle() -> None:
    tracemalloc.start()
    try:
        sessions = [FramedServing() for _ in range(1000)]
        for session in sessions:
            session.receive(hello())
            session.receive(ask(1, op="echo", value="x" * 1000))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 1000 * 1024
