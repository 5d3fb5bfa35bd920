"""What is said and heard; the peers are the serving sides of the protocols themselves."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.interactive.framed_talk import FramedDatagrams, FramedTalk, payload_of
from services.client.interactive.talk import (
    PIECE,
    QUIET,
    Chat,
    Datagrams,
    Heard,
    Lines,
    Notice,
    Send,
    Step,
    Talk,
    to_bytes,
)
from services.protocol import framed
from services.protocol.chat import LIMIT, ChatServing
from services.protocol.serving import Serving

pytestmark = pytest.mark.usefixtures("english")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def sent(steps: Iterable[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Send))


def heard(steps: Iterable[Step]) -> list[str]:
    return [step.text for step in steps if isinstance(step, Heard)]


def noticed(steps: Iterable[Step]) -> list[str]:
    return [step.text for step in steps if isinstance(step, Notice)]


def due_of(talk: Talk) -> float | None:
    """What it says now; a type checker would believe the last one."""
    return talk.due


def told(talk: Talk, serving: Serving, steps: list[Step]) -> list[Step]:
    """What the talk makes of the answers to what it has sent, and so on until nobody says anything."""
    found: list[Step] = [step for step in steps if not isinstance(step, Send)]
    while data := sent(steps):
        answer = serving.receive(data)
        steps = talk.received(answer) if answer else []
        found += [step for step in steps if not isinstance(step, Send)]
    return found


@given(st.lists(st.binary(max_size=20)), st.data())
def test_lines_are_the_whole_stream_whatever_the_segments(segments: list[bytes], data: st.DataObject) -> None:
    clock = Clock()
    lines = Lines(clock)
    steps: list[Step] = []
    for segment in segments:
        steps += lines.received(segment) if segment else []
        clock.now += data.draw(st.sampled_from([0, QUIET]))
        if lines.due is not None and lines.due <= clock():
            steps += lines.tick()
    steps += lines.received(b"")

    pieces = [step for step in steps if isinstance(step, Heard)]
    assert len(pieces) == len(steps)
    assert to_bytes("".join(each.text + "\n" * each.ended for each in pieces)) == b"".join(segments)
    assert all(after.begins == before.ended for before, after in pairwise(pieces))
    assert lines.due is None


def test_a_line_in_pieces_is_shown_when_it_is_complete() -> None:
    lines = Lines(Clock())

    assert lines.received(b"ho") == []
    assert lines.received(b"la\r\nbuen") == [Heard("hola\r")]
    assert Heard("hola\r").shown == "hola"
    assert lines.due == QUIET


def test_a_line_without_an_end_is_shown_after_a_quiet() -> None:
    clock = Clock()
    lines = Lines(clock)

    assert lines.received("Nombre: ¿".encode()[:-1]) == []
    clock.now = 0.1
    assert lines.received(b"") == [Heard("Nombre: \udcc2", ended=False)]

    lines = Lines(clock)
    lines.received(b"Name: \xc2")
    assert due_of(lines) == 0.1 + QUIET
    assert lines.tick() == [Heard("Name: ", ended=False)]
    assert due_of(lines) is None
    assert lines.received(b"\xbf\n") == [Heard("¿", begins=False)]


def test_a_line_that_never_ends_is_shown_in_pieces() -> None:
    lines = Lines(Clock())

    steps = [step for _ in range(10) for step in lines.received(b"x" * 1000)]

    assert [len(text) for text in heard(steps)] == [5000, 5000]
    assert PIECE < 5000


def test_a_line_is_sent_byte_for_byte() -> None:
    text = b"caf\xc3\xa9 \xff\t".decode("utf-8", "surrogateescape")

    assert sent(Lines(Clock()).typed(text)) == b"caf\xc3\xa9 \xff\t\n"
    assert sent(Datagrams().typed(text)) == b"caf\xc3\xa9 \xff\t"


def test_datagrams_know_how_many_answers_are_to_come() -> None:
    talk = Datagrams()
    assert talk.typed("") == [Send(b"")]
    talk.typed("b")
    assert talk.expecting == 2

    assert talk.received(b"a\nb\n") == [Heard("a\nb\n", datagram=True)]
    assert Heard("a\r", datagram=True).shown == "a\r"
    assert talk.expecting == 1
    talk.refused()
    talk.refused()
    assert talk.expecting == 0


def test_an_empty_record_would_be_the_end() -> None:
    talk = Datagrams(connected=True)

    assert sent(talk.typed("a")) == b"a"
    assert noticed(talk.typed(""))[0].startswith("not sent: ")
    assert talk.expecting == 1
    assert talk.received(b"") == []


def test_chat_ends_with_bye() -> None:
    talk, serving = Chat(), ChatServing()

    assert told(talk, serving, talk.typed("¡hola!")) == [Heard("¡hola!")]
    assert (talk.closing, talk.code) == (False, None)
    assert heard(told(talk, serving, talk.typed("bye"))) == ["bye"]
    assert (talk.closing, talk.code) == (True, 0)


def test_what_is_no_line_of_chat_is_not_sent() -> None:
    talk = Chat()

    for text in ("\udcff", "x" * (LIMIT + 1)):
        assert sent(talk.typed(text)) == b""
        assert f"at most {LIMIT} bytes" in noticed(talk.typed(text))[0]
    assert talk.code is None


def test_a_peer_that_does_not_chat_ends_it() -> None:
    talk = Chat()

    steps = talk.received(b"hola\n\xff\n")

    assert heard(steps) == ["hola"]
    assert "does not keep to the protocol: expected a line of UTF-8" in noticed(steps)[0]
    assert talk.code == 1


@pytest.mark.parametrize(
    ("line", "payload"),
    [
        ("hola", {"op": "echo", "value": "hola"}),
        ("5", {"op": "echo", "value": "5"}),
        ("[1]", {"op": "echo", "value": "[1]"}),
        ("", {"op": "echo", "value": ""}),
        ('{"op": "count"}', {"op": "count"}),
        (' {"op": "wait", "seconds": 1}', {"op": "wait", "seconds": 1}),
        ("\udcff", {"op": "echo", "value": "\ufffd"}),
    ],
)
def test_a_typed_line_is_a_request(line: str, payload: dict[str, object]) -> None:
    assert payload_of(line) == payload


def welcomed(clock: Clock) -> tuple[FramedTalk, framed.FramedServing]:
    talk, serving = FramedTalk("n", clock), framed.FramedServing(clock=clock)
    assert noticed(told(talk, serving, talk.open()))[0].startswith("WELCOME {")
    return talk, serving


def test_framed_answers_are_shown_with_id_and_time() -> None:
    clock = Clock()
    talk, serving = welcomed(clock)

    question = talk.typed("¡hola!")
    clock.now += 0.0123
    assert told(talk, serving, question) == [Heard('#1 {"value": "¡hola!"}  12 ms')]
    assert heard(told(talk, serving, talk.typed('{"op": "nonsense"}')))[0].startswith("#2 ERROR unknown-op: ")
    assert talk.code is None


def test_framed_answers_overtake_each_other() -> None:
    clock = Clock()
    talk, serving = welcomed(clock)
    assert told(talk, serving, talk.typed('{"op": "wait", "seconds": 2, "value": "late"}')) == []
    assert heard(told(talk, serving, talk.typed("early"))) == ['#2 {"value": "early"}  0.00 ms']

    clock.now += 2
    assert heard(talk.received(serving.tick())) == ['#1 {"value": "late"}  2.00 s']


def test_what_is_typed_before_the_welcome_waits_for_it() -> None:
    talk, serving = FramedTalk("n", Clock()), framed.FramedServing()
    hello = talk.open()

    assert sent(talk.typed("early")) == b""
    assert talk.unsent
    assert heard(told(talk, serving, hello)) == ['#1 {"value": "early"}  0.00 ms']
    assert not talk.unsent


def test_what_is_no_request_is_not_sent() -> None:
    talk, _ = welcomed(Clock())

    for line in ('{"op": ', "{" * 100_000, '{"value": "' + "x" * 70_000 + '"}', '{"a": NaN}'):
        steps = talk.typed(line)
        assert sent(steps) == b""
        assert noticed(steps)[0].startswith("not sent: ")
    assert talk.code is None


def test_a_server_that_refuses_the_session_ends_it() -> None:
    talk, serving = welcomed(Clock())

    steps = talk.received(serving.give_up("too slow"))

    assert "too slow" in noticed(steps)[0]
    assert talk.code == 1


def test_a_server_of_another_protocol_ends_it() -> None:
    talk = FramedTalk("n", Clock())
    talk.open()

    assert "SLAB" in noticed(talk.received(b"220 mail.example ESMTP\r\n"))[0]
    assert talk.code == 1


def test_framed_over_datagrams_asks_again_and_gives_up() -> None:
    clock = Clock()
    talk, serving = FramedDatagrams("n", clock), framed.FramedDatagrams(clock=clock)
    first = sent(talk.typed("hola"))
    assert talk.expecting == 1

    clock.now = due_of(talk) or 0
    again = talk.tick()
    assert sent(again) == first  # the same bytes: the server knows it again
    answer = serving.receive(first, "peer")
    assert answer is not None
    assert heard(talk.received(answer)) == ['#1 {"value": "hola"}  250 ms']
    assert (talk.expecting, due_of(talk)) == (0, None)
    assert "answers nothing" in noticed(talk.received(answer))[0]
    assert "answers nothing" in noticed(talk.received(b"stranger"))[0]

    talk.typed("nobody")
    steps: list[Step] = []
    while due := due_of(talk):
        clock.now = due
        steps += talk.tick()
    assert len([step for step in steps if isinstance(step, Send)]) == 5
    [lost] = [step for step in steps if isinstance(step, Notice) and step.bad]
    assert lost.text == "#2 was sent 6 times and never answered: given up"
    assert talk.expecting == 0


@given(st.text())
def test_any_text_comes_back_as_json_that_says_it(text: str) -> None:
    talk, serving = FramedTalk("n", Clock()), framed.FramedServing()
    told(talk, serving, talk.open())
    if text.lstrip().startswith("{"):
        return

    [answer] = heard(told(talk, serving, talk.typed(text)))

    assert json.loads(answer.removeprefix("#1 ").removesuffix("  0.00 ms")) == {"value": text}
