"""NFQUEUE: the bytes of requests and verdicts, and packets read from the kernel's."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.netlink.attributes import attribute, number
from services.netlink.errors import MalformedError
from services.netlink.queue import Queued, Refused, Verdicts, bind, read

HEADER = struct.Struct("=IHHII")


def message(kind: int, body: bytes, sequence: int = 0) -> bytes:
    return HEADER.pack(16 + len(body), kind, 0, sequence, 0) + body


def queued(hook: int, payload: bytes, *more: bytes) -> bytes:
    head = attribute(1, struct.pack(">IHB", 9, 0x0800, hook))
    return message(3 << 8, struct.pack(">BBH", 2, 0, 5) + head + b"".join(more) + attribute(10, payload))


def test_a_queue_is_bound_with_whole_packets_and_a_length() -> None:
    requests = bind(5, 20_000)
    assert [request.type for request in requests] == [0x302] * 3
    assert [request.payload for request in requests] == [
        b"\0\0\0\x05" + attribute(1, b"\x01\0\0\0"),
        b"\0\0\0\x05" + attribute(2, b"\0\0\xff\xff\x02"),
        b"\0\0\0\x05" + number(3, 20_000),
    ]


def test_verdicts() -> None:
    verdicts = Verdicts(5)
    general = b"\0\0\0\x05"
    plain = attribute(2, struct.pack(">II", 1, 9))
    assert verdicts.accept(9) == HEADER.pack(32, 0x301, 1, 9, 0) + general + plain
    assert verdicts.drop(9)[20:] == attribute(2, struct.pack(">II", 0, 9))
    changed = verdicts.accept(9, b"abcde", 0x51)
    assert changed[20:] == plain + number(3, 0x51) + attribute(10, b"abcde")
    assert HEADER.unpack_from(changed)[0] == len(changed)


def test_a_packet_is_read() -> None:
    for hook, device, arrives in ((1, 5, True), (3, 6, False)):
        data = queued(hook, b"abcde", number(3, 7), number(device, 42), attribute(14, bytes(4)))
        assert read(data, len(data)) == Queued(9, arrives, 42, b"abcde")


def test_a_buffer_may_hold_more_than_the_message() -> None:
    data = queued(1, b"abc")
    assert read(data + b"older bytes", len(data)) == Queued(9, True, 0, b"abc")  # noqa: FBT003


def test_a_packet_without_bytes_is_one() -> None:
    data = message(3 << 8, struct.pack(">BBH", 2, 0, 5) + attribute(1, struct.pack(">IHB", 9, 0, 1)))
    assert read(data, len(data)) == Queued(9, True, 0, b"")  # noqa: FBT003


def test_a_refused_verdict_names_its_packet() -> None:
    data = message(2, struct.pack("=i", -2) + HEADER.pack(32, 0x301, 1, 77, 0), sequence=77)
    assert read(data, len(data)) == Refused(77, 2)


def test_other_messages_are_passed_over() -> None:
    data = message(3, bytes(4))
    assert read(data, len(data)) is None


@pytest.mark.parametrize("data", [b"", bytes(15), message(3 << 8, bytes(8))])
def test_what_is_cut_off_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        read(data, len(data))


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_hostile_bytes_raise_one_error_only(body: bytes) -> None:
    for kind in (2, 3 << 8):
        data = message(kind, body)
        try:
            read(data, len(data))
        except MalformedError:
            continue
