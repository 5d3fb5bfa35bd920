"""A capture's file, read by a reader of our own: every field where the format has it."""

import struct
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from socketlab.faults.pcapng import Packet, written


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each block; both lengths agree and are whole words."""
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4) == (length,)
        yield kind, data[8 : length - 4]
        data = data[length:]


def options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while True:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            assert length == 0
            assert len(data) == 4
            return found
        found[code] = data[4 : 4 + length]
        data = data[4 + length + -length % 4 :]


def read(data: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    """The links' names, and the packets."""
    (kind, section), *rest = blocks(data)
    assert kind == 0x0A0D0D0A
    assert struct.unpack_from("<IHHq", section) == (0x1A2B3C4D, 1, 0, -1)
    links: list[str] = []
    packets = []
    for kind, body in rest:
        if kind == 1:
            assert struct.unpack_from("<HH", body) == (1, 0)
            told = options(body[8:])
            assert told[9] == b"\x09"
            links.append(told[2].decode())
            continue
        assert kind == 6
        link, high, low, kept, length = struct.unpack_from("<IIIII", body)
        told = options(body[20 + kept + -kept % 4 :])
        packets.append(
            {
                "link": links[link],
                "at": high << 32 | low,
                "data": body[20 : 20 + kept],
                "length": length,
                "way": struct.unpack("<I", told[2])[0],
                "comment": told.get(1, b"").decode(),
            }
        )
    return links, packets


def test_each_link_is_described_once_and_before_its_first_packet() -> None:
    packets = [
        Packet(
            1_700_000_000_123_456_789,
            "server",
            "eth0",
            outgoing=False,
            length=74,
            data=b"abcde",
            comment="lease 1: drop",
        ),
        Packet(1_700_000_000_123_456_790, "client", "eth1", outgoing=True, length=1514, data=b"abcdefgh"),
        Packet(1_700_000_000_123_456_791, "server", "eth0", outgoing=True, length=60, data=b""),
    ]
    links, seen = read(b"".join(written(packets, "socketlab 0", 262)))
    assert links == ["server:eth0", "client:eth1"]
    assert seen == [
        {
            "link": f"{each.host}:{each.device}",
            "at": each.at_ns,
            "data": each.data,
            "length": each.length,
            "way": 2 if each.outgoing else 1,
            "comment": each.comment,
        }
        for each in packets
    ]


@given(
    st.lists(
        st.builds(
            Packet,
            st.integers(0, 2**63),
            st.sampled_from(["a", "b"]),
            st.sampled_from(["eth0", "eth1"]),
            st.booleans(),
            st.integers(0, 65535),
            st.binary(max_size=40),
            st.text(max_size=20),
        ),
        max_size=8,
    )
)
def test_whatever_is_written_is_read_again(packets: list[Packet]) -> None:
    _links, seen = read(b"".join(written(packets, "ü")))
    assert [(each["at"], each["data"], each["comment"]) for each in seen] == [
        (packet.at_ns, packet.data, packet.comment) for packet in packets
    ]
