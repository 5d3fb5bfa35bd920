"""Calls as a reader would write them."""

from typing import Any

import pytest

from socketlab.sockets.written import returned, written
from socketlab.wire.values import Handle


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("connect", (("10.213.7.10", 7000),), "connect(('10.213.7.10', 7000))"),
        ("recv", (4096,), "recv(4096)"),
        ("accept", (), "accept()"),
        ("send", (b"hello",), "send(b'hello')"),
        ("select", ([1, 2], [], [], None), "select([1, 2], [], [], None)"),
        ("f", ((1,),), "f((1,))"),
        ("f", (list(range(20)),), "f([0, 1, 2, 3, 4, 5, 6, 7, ...])"),
        ("f", ([[[[1]]]],), "f([[[...]]])"),
    ],
)
def test_calls(name: str, args: tuple[Any, ...], text: str) -> None:
    assert written(name, args) == text


def test_long_bytes_are_abbreviated() -> None:
    text = written("sendall", (b"a" * 100_000,))
    assert len(text) < 100
    assert "100000 B" in text


def test_returned_values_are_plain() -> None:
    assert returned(b"hi").value == b"hi"
    assert returned(None).value is None
    assert returned(7).value == 7
    assert returned((Handle(3), ("127.0.0.1", 7000))).value == "(<socket 3>, ('127.0.0.1', 7000))"
    long = returned(b"a" * 1000).value
    assert isinstance(long, str)
    assert "1000 B" in long
