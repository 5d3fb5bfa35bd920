"""Netlink's outer layers: attributes and messages, built as the kernel has them, read whatever they are."""

import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.netlink.attributes import attribute, nested, number, parse, read_number, read_text, text
from services.netlink.errors import MalformedError
from services.netlink.message import (
    ACK,
    DONE,
    ERROR,
    REQUEST,
    Acknowledgement,
    Reply,
    Request,
    acknowledgement,
    split,
)

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the expected bytes are little-endian")

KINDS = st.integers(0, 0x3FFF)


def test_an_attribute_is_padded_and_its_length_is_not() -> None:
    assert attribute(3, b"abcde") == bytes.fromhex("0900 0300 6162636465 000000")
    assert text(1, "abc") == bytes.fromhex("0800 0100 61626300")
    assert number(2, 0x01020304) == bytes.fromhex("0800 0200 01020304")
    assert nested(4, number(1, 1)) == bytes.fromhex("0c00 0480 0800 0100 00000001")


@given(st.lists(st.tuples(KINDS, st.binary(max_size=50))))
def test_attributes_are_read_as_they_were_built(pairs: list[tuple[int, bytes]]) -> None:
    assert parse(b"".join(attribute(*pair) for pair in pairs)) == pairs


@given(st.binary(max_size=300))
def test_any_bytes_are_attributes_or_malformed(data: bytes) -> None:
    try:
        found = parse(data)
    except MalformedError:
        return
    assert sum(4 + len(value) for _kind, value in found) <= len(data)


@pytest.mark.parametrize(
    ("data", "order", "value"),
    [(b"\x07", ">", 7), (b"\x01\x02", ">", 258), (b"\x01\x00\x00\x00", "=", 1), (bytes(7) + b"\x05", ">", 5)],
)
def test_numbers_of_every_width(data: bytes, order: str, value: int) -> None:
    assert read_number(data, order) == value


def test_a_number_of_no_width_is_malformed() -> None:
    with pytest.raises(MalformedError, match="3 bytes"):
        read_number(b"abc")


def test_text_that_is_no_utf8_can_be_shown() -> None:
    assert read_text(b"\xffa\0rest") == "\\xffa"


def test_a_message_is_padded_and_its_length_is_not() -> None:
    packed = Request("TEST", 0x0A06, REQUEST | ACK, b"12345").pack(7)
    assert packed == bytes.fromhex("15000000 060a 0500 07000000 00000000 3132333435 000000")


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.binary(max_size=60))))
def test_messages_are_read_as_they_were_packed(those: list[tuple[int, int, bytes]]) -> None:
    data = b"".join(Request("TEST", kind, 0, body).pack(sequence) for kind, sequence, body in those)
    assert split(data) == [Reply(kind, 0, sequence, body) for kind, sequence, body in those]


@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_malformed(data: bytes) -> None:
    try:
        replies = split(data)
    except MalformedError:
        return
    assert sum(16 + len(reply.payload) for reply in replies) <= len(data)


@given(st.sampled_from([ERROR, DONE]), st.integers(0, 0xFFFF), st.binary(max_size=80))
def test_any_bytes_are_an_acknowledgement_or_malformed(kind: int, flags: int, payload: bytes) -> None:
    try:
        found = acknowledgement(Reply(kind, flags, 1, payload))
    except MalformedError:
        return
    assert (found.errno == 0) == (struct.unpack_from("=i", payload)[0] == 0)


REFUSED = struct.pack("=iIHHII", -2, 23, 0x0A06, 5, 7, 0)
WORDS = text(1, "no such thing")


@pytest.mark.parametrize(
    ("kind", "flags", "payload", "why"),
    [
        (ERROR, 0x100, REFUSED, "No such file or directory"),
        (ERROR, 0x300, REFUSED + WORDS, "no such thing"),
        (ERROR, 0x200, REFUSED + b"1234567\0" + WORDS, "no such thing"),
        (DONE, 0x200, struct.pack("=i", -2) + WORDS, "no such thing"),
    ],
    ids=["bare", "capped", "with the request", "done"],
)
def test_the_words_of_the_kernel(kind: int, flags: int, payload: bytes, why: str) -> None:
    assert acknowledgement(Reply(kind, flags, 7, payload)) == Acknowledgement(2, why)


def test_a_success_has_no_words() -> None:
    assert acknowledgement(Reply(ERROR, 0x100, 7, struct.pack("=i", 0))) == Acknowledgement(0, "")
