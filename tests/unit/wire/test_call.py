"""Lines of calls: whole messages there and back, and hostile lines."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire import WireError
from socketlab.wire.call import (
    LONGEST,
    Answer,
    Call,
    Cancel,
    Hello,
    Raised,
    Refused,
    Request,
    Value,
    read_answer,
    read_request,
    write,
)
from socketlab.wire.values import Handle

REQUESTS: list[Request] = [
    Call(1, "socket", (2, 1, 0)),
    Call(2, "sendto", (b"\0hi", 0, ("10.213.7.10", 7000)), 3),
    Call(3, "sendmsg", ([b"a", b"b"], [(1, 2, b"x")], 0, None), 3),
    Cancel(7),
]
ANSWERS: list[Answer | Hello] = [
    Value(1, Handle(4, "socket", 2, 1, 6), 10, 20),
    Value(2, None, 10, 20),
    Value(3, 2**63 - 1, 0, 0),
    Value(4, b"x" * 100, 0, 0),
    Value(5, value=True, started_ns=0, ended_ns=0),
    Value(6, (b"data", [(1, 2, b"x")], 0, ("::1", 7, 0, 0)), 0, 0),
    Raised(7, "ConnectionRefusedError", (111, "Connection refused"), 1, 2),
    Raised(8, "TimeoutError", ("timed out",), 1, 2),
    Refused(9, "actor.sockets", {"limit": "1024"}),
    Refused(None, "wire-json", {"seen": "x", "why": "y"}),
    Hello(1, 17, 123, "3.13.5"),
]


@pytest.mark.parametrize("message", REQUESTS)
def test_requests_come_back(message: Request) -> None:
    assert read_request(write(message)) == message


@pytest.mark.parametrize("message", ANSWERS)
def test_answers_come_back(message: Answer | Hello) -> None:
    line = write(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    back = read_answer(line)
    assert back == message
    if isinstance(message, Value):
        assert isinstance(back, Value)
        assert type(back.value) is type(message.value)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from(["", "b", "recv"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["id", "call", "args", "on", "cancel", "value", "at", "raised", "refused", "hello", "b", "t"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@given(st.one_of(JSON.map(lambda plain: json.dumps(plain).encode()), st.binary(max_size=60)))
def test_a_hostile_line_is_a_wire_error_or_a_message(line: bytes) -> None:
    for read in (read_request, read_answer):
        try:
            message = read(line)
        except WireError:
            continue
        assert read(write(message)) == message


@pytest.mark.parametrize("read", [read_request, read_answer])
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"nonsense",
        b"\xff\xfe",
        b'{"id":1',
        b'{"id":1,"call":"recv","args":[]} {}',
        b'{"id":true,"call":"recv","args":[]}',
        b'{"id":1,"call":"recv","args":[],"on":"3"}',
        b'{"id":1,"value":1,"at":[1]}',
        b'{"id":1,"value":1,"at":[1,2.5]}',
        b'{"id":null,"value":1,"at":[1,2]}',
        b'{"cancel":"7"}',
        b'{"hello":1,"pid":1,"clock":1}',
        b"[" * 100_000,
        b'{"id":1,"value":' + b'{"t":[' * 100_000,
    ],
)
def test_what_is_no_message_is_a_wire_error(read: Any, line: bytes) -> None:
    with pytest.raises(WireError):
        read(line)


def test_a_line_too_long_is_neither_read_nor_written() -> None:
    with pytest.raises(WireError):
        read_answer(b" " * (LONGEST + 1))
    with pytest.raises(WireError):
        write(Value(1, b"x" * LONGEST, 0, 0))
