"""Lines come out whole and in order, however the bytes come in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socketlab.sockets.inbox import Inbox
from socketlab.wire.call import LONGEST
from socketlab.wire.errors import WireError

TEXT = st.binary(max_size=12).map(lambda data: data.replace(b"\n", b""))


def lines_of(inbox: Inbox) -> list[bytes]:
    found = []
    while (line := inbox.first()) is not None:
        found.append(line.rstrip(b"\n"))
        inbox.done()
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, max_size=8), st.lists(st.integers(1, 9), max_size=40))
def test_pieces_of_any_size_give_the_same_lines(lines: list[bytes], sizes: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    inbox, found, at = Inbox(), [], 0
    for size in [*sizes, len(data) + 1]:
        if piece := data[at : at + size]:
            inbox.put(piece)
        found += lines_of(inbox)
        at += size
    assert found == lines


def test_a_line_stays_until_it_is_dealt_with() -> None:
    inbox = Inbox()
    inbox.put(b"one\ntwo\nthr")
    assert inbox.first() == inbox.first() == b"one"
    inbox.put(b"ee\n")
    inbox.done()
    assert inbox.first() == b"two"
    inbox.done()
    assert inbox.first() == b"three"


def test_many_pieces_of_one_line_are_one_line() -> None:
    inbox = Inbox()
    for _ in range(1000):
        inbox.put(b"ab")
        assert inbox.first() is None
    inbox.put(b"\n")
    assert inbox.first() == b"ab" * 1000


def test_a_line_that_never_ends_is_refused() -> None:
    inbox = Inbox()
    piece = b"x" * (LONGEST // 2)
    for _ in range(2):
        inbox.put(piece)
        assert inbox.first() is None
    inbox.put(b"xx")
    with pytest.raises(WireError):
        inbox.first()
