"""Lines in and answers out, over real pipes."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.actor.stream import Answers, Lines, check_depth
from socketlab.wire.call import LONGEST, Value, read_answer
from socketlab.wire.errors import WireError


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for each in (reader, writer):
        try:
            os.close(each)
        except OSError:
            continue


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")), max_size=8),
    cuts=st.lists(st.integers(1, 60), max_size=12),
    rest=st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")),
)
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], cuts: list[int], rest: bytes) -> None:
    reader, writer = os.pipe()
    whole = b"".join(line + b"\n" for line in lines) + rest
    seen = []
    try:
        source = Lines(reader)
        # What is written up to the end of a line can be read without waiting.
        for cut in [*cuts, len(whole) + 1]:
            piece, whole = whole[:cut], whole[cut:]
            os.write(writer, piece)
            seen += [source.next() for _ in range(piece.count(b"\n"))]
        os.close(writer)
        writer = -1
        assert seen == lines
        assert source.next() is None
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def test_a_line_without_an_end_is_not_read_for_ever() -> None:
    zeros = os.open("/dev/zero", os.O_RDONLY)
    try:
        with pytest.raises(WireError) as caught:
            Lines(zeros).next()
    finally:
        os.close(zeros)
    assert caught.value.code == "wire-line"
    assert LONGEST < int(caught.value.details["seen"]) < LONGEST * 2


def test_answers_are_whole_lines(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    Answers(writer).send(Value(1, b"x", 2, 3))
    assert read_answer(os.read(reader, 100)) == Value(1, b"x", 2, 3)
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Answers(writer).send(Value(1, b"x", 2, 3))


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 101,
        b'{"a":' * 60 + b"[" * 60,
        b"[]" * 200 + b"[" * 101,
    ],
)
def test_too_deep(line: bytes) -> None:
    with pytest.raises(WireError) as caught:
        check_depth(line)
    assert caught.value.code == "wire-depth"


@pytest.mark.parametrize("line", [b"", b"[" * 100 + b"]" * 100, b"[]" * 5000, b'[{"a":[]}]' * 300])
def test_not_too_deep(line: bytes) -> None:
    check_depth(line)
