"""Values of calls: each comes back as the type it left as, and nothing else is taken."""

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire import WireError
from socketlab.wire.values import Handle, pack, unpack

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=20),
    st.text(st.characters(categories=["Cs"]), max_size=3),  # as surrogateescape makes
    st.binary(max_size=40),
    st.builds(Handle, st.integers(0, 99), st.sampled_from(["socket", "epoll"]), st.integers(-1, 40)),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(0, 9)), inner, max_size=3),
    ),
    max_leaves=12,
)


def types(value: Any) -> Any:
    """A value's type, and of all that it holds."""
    if isinstance(value, Handle):
        return Handle
    if isinstance(value, list | tuple):
        return (type(value), [types(item) for item in value])
    if isinstance(value, dict):
        return (dict, [(types(key), types(item)) for key, item in value.items()])
    return type(value)


@given(VALUES)
def test_what_left_comes_back(value: Any) -> None:
    back = unpack(json.loads(pack(value)))
    assert back == value
    assert types(back) == types(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (socket.AF_INET6, int(socket.AF_INET6)),
        (bytearray(b"hi"), b"hi"),
        (memoryview(b"hi"), b"hi"),
        (socket.getaddrinfo("127.0.0.1", 1)[0][:2], (2, 1)),
    ],
)
def test_what_extends_a_type_travels_as_that_type(value: Any, plain: Any) -> None:
    back = unpack(json.loads(pack(value)))
    assert back == plain
    assert types(back) == types(plain)


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, float("nan"), float("inf"), object(), {1, 2}, (1, 2j)]
)
def test_what_no_line_can_carry_is_refused(value: Any) -> None:
    with pytest.raises(WireError):
        pack(value)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"x": 1},
        {"b": "a"},
        {"b": "é"},
        {"b": 5},
        {"t": 1},
        {"t": {"b": ""}},
        {"u": "gA=="},
        {"d": [1]},
        {"d": [[{"d": []}, 1]]},
        {"h": []},
        {"h": [1]},
        {"h": ["1", "socket"]},
        {"h": [1, "socket", "2"]},
        {"h": [1, "socket", 2, 1, 0, 0]},
        {"b": "", "t": []},
    ],
)
def test_what_pack_does_not_write_is_not_read(plain: Any) -> None:
    with pytest.raises(WireError):
        unpack(plain)
