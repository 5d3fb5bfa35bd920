"""What a terminal sends, as keys."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.interactive.keys import Key, Keyboard, Stroke


def joined(strokes: list[Stroke]) -> list[Stroke]:
    """Texts that follow each other as one."""
    found: list[Stroke] = []
    for stroke in strokes:
        if isinstance(stroke, str) and found and isinstance(found[-1], str):
            found[-1] += stroke
        else:
            found.append(stroke)
    return found


@pytest.mark.parametrize(
    ("data", "strokes"),
    [
        (b"hola\r", ["hola", Key.ENTER]),
        ("ñ日\n".encode(), ["ñ日", Key.ENTER]),
        (b"\x01\x05\x02\x06", [Key.HOME, Key.END, Key.LEFT, Key.RIGHT]),
        (
            b"\x10\x0e\x15\x0b\x17\x0c",
            [Key.UP, Key.DOWN, Key.CUT_BEFORE, Key.CUT_AFTER, Key.CUT_WORD, Key.CLEAR],
        ),
        (b"\x7f\x08\x04", [Key.BACKSPACE, Key.BACKSPACE, Key.END_OF_INPUT]),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", [Key.UP, Key.DOWN, Key.RIGHT, Key.LEFT]),
        (b"\x1bOA\x1bOH\x1bOF", [Key.UP, Key.HOME, Key.END]),
        (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~\x1b[3~", [*[Key.HOME, Key.END] * 3, Key.DELETE]),
        (b"\x1b[1;5Ca", [Key.RIGHT, "a"]),
        (b"a\tb", ["a\tb"]),
        (b"\xff\xc3(", [b"\xff\xc3(".decode("utf-8", "surrogateescape")]),
        (b"a\x00\x03\x1ab", ["a", "b"]),  # keys without a meaning
        (b"\x1b[[Ax\x1b[15~y\x1bOPz", ["x", "y", "z"]),  # F1, F5, F1
        (b"\x1bxa\x1b\ra", ["a", "a"]),  # with Alt
        (b"\x1b\x1b[Aa", [Key.UP, "a"]),  # Alt-Up
        (b"\x1b[12\x7fa", [Key.BACKSPACE, "a"]),  # broken off
        (b"\x1b[200~one\rtwo\x1b[201~x", ["one", Key.ENTER, "two", "x"]),
        (b"\x1b[200~a\r\nb\nc\x1b[201~", ["a", Key.ENTER, "b", Key.ENTER, "c"]),
        (b"\x1b[200~\x04\x1b[A\x15\x1b[201~\x04", ["\x04\x1b[A\x15", Key.END_OF_INPUT]),
    ],
)
def test_keys(data: bytes, strokes: list[Stroke]) -> None:
    whole = Keyboard()
    assert joined(whole.feed(data)) == joined(strokes)
    assert not whole.waits

    piecemeal = Keyboard()
    assert joined([stroke for byte in data for stroke in piecemeal.feed(bytes([byte]))]) == joined(strokes)


def test_the_escape_key_is_given_up() -> None:
    keyboard = Keyboard()
    waits = []
    for step in (lambda: keyboard.feed(b"\x1b"), keyboard.forget):
        step()
        waits.append(keyboard.waits)

    assert waits == [True, False]
    assert keyboard.feed(b"[A") == ["[A"]


def test_a_sequence_without_an_end_is_not_waited_for() -> None:
    keyboard = Keyboard()
    assert keyboard.feed(b"\x1b[" + b"1" * 100) == []
    assert not keyboard.waits


def test_forgetting_does_not_lose_what_is_pasted() -> None:
    keyboard = Keyboard()
    strokes = keyboard.feed(b"\x1b[200~a\x1b[20")
    keyboard.forget()
    assert joined(strokes + keyboard.feed(b"1~\x15")) == ["a", Key.CUT_BEFORE]


@given(st.binary(), st.lists(st.integers(0, 100)))
def test_whatever_comes_in_whatever_pieces_gives_the_same(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Keyboard(), Keyboard()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    assert joined(whole.feed(data)) == joined(
        [stroke for start, end in pairwise(places) for stroke in pieces.feed(data[start:end])]
    )
    assert all(whole.feed(b"\x1b[201~a"))  # no stroke is an empty text


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_is_text(text: str) -> None:
    assert "".join(str(stroke) for stroke in Keyboard().feed(text.encode())) == text
