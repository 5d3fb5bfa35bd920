"""The kernel's tables of sockets, `/proc/net/{tcp,tcp6,udp,udp6}` (proc(5)). Pure: text in, rows out.

A local address is written as hexadecimal words of 32 bits in the byte order of the machine, the port as one
of 16 bits in the order it is read in. A line that is not of this form is left out: a table may be read while
it changes, and a newer kernel may write more columns.
"""

import ipaddress
import re
import sys
from dataclasses import dataclass
from typing import Final

TCP_LISTEN: Final = 0x0A
"""State of a TCP socket that listens (`net/tcp_states.h`)."""
UDP_UNCONNECTED: Final = 0x07
"""State of a bound UDP socket without a peer (TCP_CLOSE in the same table)."""

_LINE: Final = re.compile(
    r"\s*\d+:\s+"
    r"(?P<address>[0-9A-F]{8}|[0-9A-F]{32}):(?P<port>[0-9A-F]{4})\s+"
    r"(?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}\s+"
    r"(?P<state>[0-9A-F]{2})\s+"
    r"\S+\s+\S+\s+\S+\s+\d+\s+\d+\s+"
    r"(?P<inode>\d{1,20})(?:\s|$)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One socket.

    Args:
        address: the local address.
        port: the local port.
        state: as the kernel numbers it; `TCP_LISTEN` or `UDP_UNCONNECTED` are those that wait for peers.
        inode: the socket's inode, by which its owner is found in `/proc/<pid>/fd`.
    """

    address: str
    port: int
    state: int
    inode: int


def parse(table: str) -> list[Row]:
    """The sockets of one table."""
    return [_row(found) for line in table.splitlines() if (found := _LINE.match(line)) is not None]


def _row(found: re.Match[str]) -> Row:
    return Row(
        address=_address(found["address"]),
        port=int(found["port"], 16),
        state=int(found["state"], 16),
        inode=int(found["inode"]),
    )


def _address(words: str) -> str:
    """An address from its words; one that is IPv4 inside of IPv6 is given as IPv4."""
    packed = b"".join(
        int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8)
    )
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
