"""The echo protocol, without a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.protocol.echo import EchoDatagrams, EchoServing
from services.protocol.errors import LocalProtocolError


@given(st.lists(st.binary(min_size=1)))
def test_every_byte_comes_back_at_once(segments: list[bytes]) -> None:
    serving = EchoServing()
    for segment in segments:
        assert serving.receive(segment) == segment
        assert serving.over is None
    assert serving.receive(b"") == b""
    assert serving.over == "eof"


def test_nothing_is_taken_after_the_end() -> None:
    serving = EchoServing()
    serving.receive(b"")
    with pytest.raises(LocalProtocolError):
        serving.receive(b"x")


@pytest.mark.parametrize("datagram", [b"", b"x"])
def test_a_datagram_comes_back(datagram: bytes) -> None:
    assert EchoDatagrams().receive(datagram, "peer") == datagram
