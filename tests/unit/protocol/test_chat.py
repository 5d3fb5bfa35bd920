"""The chat protocol, without a socket."""

import contextlib
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.protocol.chat import LIMIT, ChatEvent, ChatServing, ChatSession, Ended, Line
from services.protocol.errors import LocalProtocolError, RemoteProtocolError

SMALL = 8
"""A limit that generated lines exceed often."""
CHUNKS = st.lists(st.binary(min_size=1, max_size=12), max_size=12)
SPICY = st.lists(
    st.sampled_from(
        [b"b", b"y", b"e", b"bye", b"\r", b"\n", b"\r\n", "é".encode(), b"\xc3", b"\xff", b"12345678"]
    ),
    max_size=24,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=40)


def outcome(
    segments: Sequence[bytes], *, limit: int = SMALL, eof: bool = True
) -> tuple[list[ChatEvent], str]:
    """All events of a session and how it ended: an error's code, or nothing."""
    session = ChatSession(limit)
    events: list[ChatEvent] = []
    try:
        for segment in (*segments, b"") if eof else segments:
            events += session.receive(segment)
            if events and isinstance(events[-1], Ended):
                return events, ""
    except RemoteProtocolError as error:
        return [*events, *error.events], error.code
    return events, ""


@given(CHUNKS | SPICY)
def test_any_segmentation_gives_the_same_events(segments: list[bytes]) -> None:
    data = b"".join(segments)
    whole = outcome([data] if data else [])
    assert outcome(segments) == whole
    assert outcome([bytes([byte]) for byte in data]) == whole


@given(CHUNKS | SPICY)
def test_memory_is_bounded_whatever_comes(segments: list[bytes]) -> None:
    session = ChatSession(SMALL)
    for segment in segments:
        try:
            events = session.receive(segment)
        except RemoteProtocolError:
            return
        held = session._unfinished  # noqa: SLF001 - how much it holds shows nowhere else
        assert len(held) <= SMALL + 1  # and a CR that may belong to the line end
        if events and isinstance(events[-1], Ended):
            return


@given(st.lists(TEXTS.filter(lambda text: text != "bye")))
def test_what_one_side_sends_the_other_receives(texts: list[str]) -> None:
    data = b"".join(ChatSession().send(text) for text in texts)
    events, code = outcome([data] if data else [], limit=LIMIT)
    assert events == [*map(Line, texts), Ended("eof")]
    assert not code


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"hola\nbye\n", [Line("hola"), Ended("bye")]),
        (b"hola\r\nbye\r\n", [Line("hola"), Ended("bye")]),
        ("á\nbye\n".encode(), [Line("á"), Ended("bye")]),
        (b"bye\nmore\n\xff\n", [Ended("bye")]),
        (
            b"goodbye\nbye bye\nBYE\n bye\n",
            [Line("goodbye"), Line("bye bye"), Line("BYE"), Line(" bye"), Ended("eof")],
        ),
        (b"\n\r\n", [Line(""), Line(""), Ended("eof")]),
        (b"a\rb\n", [Line("a\rb"), Ended("eof")]),
        (b"bye", [Ended("bye")]),
        (b"unfinished", [Line("unfinished"), Ended("eof")]),
        (b"", [Ended("eof")]),
        (b"12345678\n", [Line("12345678"), Ended("eof")]),
        (b"12345678\r\n", [Line("12345678"), Ended("eof")]),
    ],
)
def test_events(data: bytes, events: list[ChatEvent]) -> None:
    limit = max(SMALL, len("unfinished"))
    assert outcome([data] if data else [], limit=limit) == (events, "")


def test_every_cut_of_bye_in_a_crlf_line() -> None:
    data = "é\r\nbye\r\n".encode()
    for first, second in itertools.combinations_with_replacement(range(len(data) + 1), 2):
        segments = [part for part in (data[:first], data[first:second], data[second:]) if part]
        assert outcome(segments, eof=False) == ([Line("é"), Ended("bye")], "")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"123456789\n", "protocol.line-too-long"),
        (b"123456789", "protocol.line-too-long"),
        (b"12345678\rx", "protocol.line-too-long"),
        (b"\xff\n", "protocol.not-utf8"),
        (b"\xed\xa0\x80\n", "protocol.not-utf8"),  # half a surrogate pair
        (b"\xc3\n", "protocol.not-utf8"),
        (b"\xc3", "protocol.not-utf8"),
    ],
)
def test_the_offence_is_the_peers_and_what_came_before_stands(data: bytes, code: str) -> None:
    assert outcome([b"before\n" + data]) == ([Line("before")], code)


@pytest.mark.parametrize("last", [b"bye\n", b"", b"\xff\n"], ids=["bye", "eof", "offence"])
def test_nothing_is_taken_after_the_end(last: bytes) -> None:
    session = ChatSession()
    with contextlib.suppress(RemoteProtocolError):
        session.receive(last)
    with pytest.raises(LocalProtocolError):
        session.receive(b"x")


@pytest.mark.parametrize("text", ["a\nb", "\n", "123456789", "éééééé", "\ud800"])
def test_what_would_not_arrive_as_one_line_is_not_sent(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        ChatSession(SMALL).send(text)


@given(CHUNKS | SPICY)
def test_a_server_answers_each_line_with_the_same_line(segments: list[bytes]) -> None:
    serving = ChatServing()
    answered = b""
    for segment in (*segments, b""):
        if serving.over is None:
            answered += serving.receive(segment)
    events, code = outcome(segments, limit=LIMIT)
    said = [event.text if isinstance(event, Line) else "bye" for event in events if event != Ended("eof")]
    lines = answered.decode().split("\n")[:-1]
    assert lines[: len(said)] == said
    assert len(lines) == len(said) + bool(code)
    assert serving.over is not None


def test_an_offender_is_told_in_one_line() -> None:
    serving = ChatServing()
    answer = serving.receive(b"hola\n" + b"\xff{seen}%s\n" + b"never looked at\n")
    assert answer.startswith(b"hola\n")
    assert answer.count(b"\n") == 2
    assert serving.over
    assert serving.over.encode() + b"\n" == answer.removeprefix(b"hola\n")
