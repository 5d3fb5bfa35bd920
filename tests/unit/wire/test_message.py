"""The messages: strict both ways, and the same after a journey."""

import dataclasses
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire import (
    Add,
    Drop,
    Failure,
    FaultError,
    Heal,
    Leases,
    List,
    Match,
    Message,
    Outcome,
    Raised,
    Returned,
    SocketlabError,
    WireError,
    decode,
    encode,
)
from socketlab.wire.fault import Fault
from socketlab.wire.schema import from_plain, to_plain
from tests.unit.wire.any_fault import faults, patient

# A text the wire can carry: anything that UTF-8 can.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def arbitrary(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a message, by its own annotations."""
    return st.from_type(hint)


st.register_type_strategy(str, texts)
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(bytes, st.binary(max_size=20))
for cls in get_args(Fault):
    st.register_type_strategy(cls, faults(cls.kind))


@patient
@given(st.one_of([arbitrary(cls) for cls in get_args(Message)]))
def test_a_message_comes_back_as_it_left(message: Message) -> None:
    assert decode(encode(message)) == message


@patient
@given(st.one_of([arbitrary(cls) for cls in get_args(Message)]), st.data())
def test_a_damaged_message_is_refused_or_is_another_message(message: Message, data: st.DataObject) -> None:
    line = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = encode(decode(bytes(line).replace(b"\n", b" ")))
    except SocketlabError as error:
        result = str(error).encode()
    assert result


@patient
@given(
    st.dictionaries(
        st.sampled_from(["v", "type", "id", "fault", "seconds", "kind"]),
        st.none() | st.integers(0, 3) | texts,
    )
)
def test_any_object_is_refused_or_a_message(plain: dict[str, object]) -> None:
    try:
        result = encode(decode(json.dumps({"v": 1, "type": "add", **plain}).encode()))
    except WireError as error:
        result = str(error).encode()
    assert result


ADD = {"v": 1, "type": "add", "id": 1, "fault": {"kind": "drop", "match": {"port": 7000, "proto": "tcp"}}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, "wire-version"),
        ({"v": True}, "wire-version"),
        ({"v": "1"}, "wire-version"),
        ({"type": "ad"}, "wire-message"),
        ({"type": None}, "wire-message"),
        ({"id": "1"}, "wire-type"),
        ({"id": True}, "wire-type"),
        ({"id": 1.0}, "wire-type"),
        ({"seconds": "30"}, "wire-type"),
        ({"more": 1}, "wire-unknown"),
        ({"fault": {"kind": "drip"}}, "wire-type"),
        ({"fault": {"kind": "drop"}}, "wire-missing"),
        ({"fault": {"match": {}}}, "wire-type"),
        ({"fault": {"kind": "drop", "match": {"proto": "sctp"}}}, "wire-type"),
        ({"fault": {"kind": "drop", "match": {"addresses": "10.0.0.1"}}}, "wire-type"),
        ({"fault": {"kind": "drop", "match": {"addresses": [7]}}}, "wire-type"),
        ({"fault": {"kind": "drop", "match": {"port": 0, "proto": "tcp"}}}, "fault-port"),
    ],
)
def test_strict_reading(change: dict[str, object], code: str) -> None:
    with pytest.raises(SocketlabError) as caught:
        decode(json.dumps(ADD | change).encode())
    assert caught.value.code == code


def test_a_member_that_is_missing_takes_its_default() -> None:
    message = decode(json.dumps(ADD).encode())
    assert message == Add(id=1, fault=Drop(Match(port=7000, proto="tcp")), seconds=None)
    assert decode(b'{"v":1,"type":"heal","id":2}') == Heal(2)


def test_a_whole_number_is_taken_where_seconds_are_asked_for() -> None:
    message = decode(json.dumps(ADD | {"seconds": 30}).encode())
    assert isinstance(message, Add)
    assert type(message.seconds) is float


def test_bytes_and_text_stay_apart() -> None:
    for value in (b"\x00\xff", "text", 7, 7.5, True, None):
        outcome = Outcome(call="recv(10)", result=Returned(value), started_ns=0, ended_ns=1)
        back = from_plain(Outcome, json.loads(json.dumps(to_plain(outcome))))
        assert back == outcome
        assert isinstance(back.result, Returned)
        assert type(back.result.value) is type(value)


def test_broken_base64_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        from_plain(Returned, {"kind": "returned", "value": {"base64": "a"}})
    assert caught.value.code == "wire-base64"


def test_what_is_not_of_the_wire_is_not_written() -> None:
    with pytest.raises(WireError, match="expected a type of the wire, saw set"):
        to_plain({1})


def test_a_message_over_the_limits_is_not_sent() -> None:
    with pytest.raises(WireError) as caught:
        encode(Failure(1, "x" * 70_000))
    assert caught.value.code == "wire-line"


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        List(1).id = 2  # type: ignore[misc]


def test_an_error_crosses_the_wire() -> None:
    error = FaultError("fault-port", seen=70_000)
    failure = Failure.of(error, request=4)
    back = decode(encode(failure))
    assert isinstance(back, Failure)
    again = FaultError(back.code, **{detail.name: detail.value for detail in back.details})
    assert str(again) == str(error)
    assert str(error) == "expected a port from 1 to 65535 or a range like 7000-7009, saw 70000"
    assert decode(encode(Leases(4, ()))) == Leases(4, ())


def test_raised_without_errno_is_the_programs_own_timer() -> None:
    raised = Raised("TimeoutError", None, "timed out")
    assert from_plain(Raised, json.loads(json.dumps(to_plain(raised)))) == raised
