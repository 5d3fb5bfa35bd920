"""The capture's filter, run by an interpreter of its own; frames as the wire has them."""

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from services.agent.capture import Instruction, filter_for
from services.agent.watching import line_of
from socketlab.wire import Captured, Frame, decode, encode
from socketlab.wire.match import Network

_KERNEL, _NETWORK = 0xFFFFF000, 0xFFF00000
_PROTOCOLS = {4: 0x0800, 6: 0x86DD}


def _run(program: list[Instruction], protocol: int, interface: int, packet: bytes) -> int:
    """What linux/filter.h says of these few instructions; a load beyond the packet ends with nothing."""
    register = place = 0
    while True:
        code, value, if_true, if_false = program[place]
        place += 1
        match code:
            case 0x20 if value >= _KERNEL:
                register = {0: protocol, 8: interface}[value - _KERNEL]
            case 0x20:
                offset = value - _NETWORK
                if offset + 4 > len(packet):
                    return 0
                (register,) = struct.unpack_from(">I", packet, offset)
            case 0x54:
                register &= value
            case 0x15:
                place += if_true if register == value else if_false
            case 0x05:
                place += value
            case 0x06:
                return value
            case _:
                raise AssertionError(code)


def _packet(source: str, destination: str) -> tuple[int, bytes]:
    ends = [ipaddress.ip_address(each) for each in (source, destination)]
    header = 12 if ends[0].version == 4 else 8
    return _PROTOCOLS[ends[0].version], b"\0" * header + ends[0].packed + ends[1].packed


_ADDRESSES = st.one_of(
    st.integers(0, 15).map(lambda number: f"10.98.0.{number}"),
    st.integers(0, 15).map(lambda number: f"10.98.{number}.1"),
    st.integers(0, 15).map(lambda number: f"fd00:98::{number:x}"),
    st.integers(0, 15).map(lambda number: f"fd00:98:{number:x}::1"),
)
_BITS = {4: st.integers(0, 32), 6: st.integers(0, 128)}


@st.composite
def _networks(draw: st.DrawFn) -> Network:
    address = ipaddress.ip_address(draw(_ADDRESSES))
    return ipaddress.ip_network((address, draw(_BITS[address.version])), strict=False)


@given(st.lists(_networks(), min_size=1, max_size=12), _ADDRESSES, _ADDRESSES, st.integers(1, 3))
def test_it_keeps_what_is_between_two_addresses_of_the_networks(
    networks: list[Network], source: str, destination: str, interface: int
) -> None:
    ends = [ipaddress.ip_address(each) for each in (source, destination)]
    if ends[0].version != ends[1].version:
        return
    protocol, packet = _packet(source, destination)
    wanted = interface != 1 and all(any(end in network for network in networks) for end in ends)
    assert _run(filter_for(networks, 99), protocol, interface, packet) == (99 if wanted else 0)


def test_without_networks_it_keeps_all_but_loopback() -> None:
    program = filter_for([], 99)
    assert [_run(program, 0x0806, interface, b"") for interface in (1, 2)] == [0, 99]


def test_with_networks_it_keeps_ip_only() -> None:
    program = filter_for([ipaddress.ip_network("0.0.0.0/1")], 99)
    assert _run(program, 0x0806, 2, b"\0" * 40) == 0
    assert _run(program, 0x86DD, 2, b"\0" * 40) == 0
    assert _run(program, 0x0800, 2, b"\0" * 10) == 0  # shorter than a header


_FRAMES = st.builds(
    Frame,
    st.integers(0, 2**62),
    st.text("eth0é ", max_size=15),
    st.booleans(),
    st.integers(0, 65535),
    st.binary(max_size=300),
    st.lists(st.sampled_from(["f1", "f22"]), max_size=3).map(tuple),
)


@given(
    st.builds(Captured, st.integers(0, 2**53), st.lists(_FRAMES, max_size=5).map(tuple), st.integers(0, 9))
)
def test_the_fast_line_is_the_one_that_encode_makes(captured: Captured) -> None:
    assert line_of(captured) == encode(captured)
    assert decode(line_of(captured)) == captured
