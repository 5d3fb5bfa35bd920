"""The kernel's socket tables."""

import ipaddress
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runner.proc_net import TCP_LISTEN, UDP_UNCONNECTED, Row, parse

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
ADDRESSES = st.ip_addresses().map(str).filter(lambda text: ipaddress.ip_address(text) not in MAPPED)
ROWS = st.builds(
    Row,
    address=ADDRESSES,
    port=st.integers(0, 65535),
    state=st.integers(1, 12),
    inode=st.integers(0, 2**32 - 1),
)


def line(number: int, row: Row) -> str:
    """One line, as the kernel writes it (`tcp4_seq_show`, `tcp6_seq_show`)."""
    packed = ipaddress.ip_address(row.address).packed
    words = "".join(
        f"{int.from_bytes(packed[at : at + 4], sys.byteorder):08X}" for at in range(0, len(packed), 4)
    )
    return (
        f"{number:4}: {words}:{row.port:04X} {'0' * len(words)}:0000 {row.state:02X} 00000000:00000000 "
        f"00:00000000 00000000  1000        0 {row.inode} 1 0000000000000000 100 0 0 10 0\n"
    )


@given(st.lists(ROWS, max_size=5))
def test_what_the_kernel_writes_is_read(rows: list[Row]) -> None:
    assert parse(HEADING + "".join(line(*item) for item in enumerate(rows))) == rows


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    parse(text)


@given(ROWS, st.integers(0, 100))
def test_a_line_cut_short_is_left_out_or_whole(row: Row, cut: int) -> None:
    assert [each for each in parse(line(0, row)[:cut]) if each.address != row.address] == []


def test_an_address_of_ipv4_in_ipv6_is_ipv4() -> None:
    row = Row(address="::ffff:127.0.0.1", port=80, state=TCP_LISTEN, inode=1)

    assert parse(line(0, row)) == [Row(address="127.0.0.1", port=80, state=TCP_LISTEN, inode=1)]


@pytest.mark.parametrize(
    ("kind", "table", "state"),
    [(socket.SOCK_STREAM, "tcp", TCP_LISTEN), (socket.SOCK_DGRAM, "udp", UDP_UNCONNECTED)],
)
def test_a_socket_of_this_machine(kind: socket.SocketKind, table: str, state: int) -> None:
    with socket.socket(socket.AF_INET, kind) as own:
        own.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            own.listen()
        inode = os.fstat(own.fileno()).st_ino

        rows = {row.inode: row for row in parse(Path("/proc/net", table).read_text(encoding="ascii"))}

        assert rows[inode] == Row("127.0.0.1", own.getsockname()[1], state, inode)
