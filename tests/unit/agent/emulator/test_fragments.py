"""Fragments: all of the packet, in pieces that every link carries."""

import struct

import pytest

from services.agent.emulator.fragments import SMALLEST_LINK, fragments
from tests.unit.agent.emulator.packets import HERE, THERE, ip, parsed


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("size", [1, 1224, 1232, 1240, 5000])
def test_the_parts_make_the_whole(family: str, size: int) -> None:
    whole = parsed(ip(THERE[family], HERE[family], 17, (bytes(range(250)) * 21)[: size + 8]))
    made = fragments(whole, 77)
    rest = whole.data[whole.transport : whole.end]
    there = bytearray(len(rest))
    for place, data in enumerate(made):
        part = parsed(data)
        assert len(data) == part.end <= SMALLEST_LINK
        if family == "ipv4":
            (field,) = struct.unpack_from(">H", data, 6)
            at, more = (field & 0x1FFF) * 8, bool(field & 0x2000)
            assert struct.unpack_from(">H", data, 4)[0] == 77
        else:
            (field,) = struct.unpack_from(">H", data, 42)
            at, more = field & ~7, bool(field & 1)
            assert struct.unpack_from(">I", data, 44)[0] == 77
        assert more is (place < len(made) - 1)
        there[at : at + part.end - part.transport] = data[part.transport : part.end]
    assert bytes(there) == rest


def test_what_must_not_be_cut_is_not() -> None:
    assert fragments(parsed(ip("10.0.0.2", "10.0.0.1", 17, bytes(4000), place=0x4000)), 1) == []
    assert fragments(parsed(ip("10.0.0.2", "10.0.0.1", 17, bytes(4000), place=0x2000)), 1) == []
    chain = bytes([60, 17, 0]) + bytes(6)
    assert fragments(parsed(ip("fd00::2", "fd00::1", 17, bytes(4000), more=chain)), 1) == []
