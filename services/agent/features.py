"""What this kernel's nf_tables has, found out by trying.

A try is a batch that makes a rule in a chain of its own and deletes both: it changes nothing. One that fails
takes some 10 ms, one that the kernel can do 0.1 ms, so what most kernels have is tried together and first.
"""

import array
import fcntl
import socket
import struct
from contextlib import suppress
from dataclasses import replace

from services.agent.namespace_links import host_links
from services.agent.rules import base_chains
from services.agent.rules.verdicts import QueueWay, Ways
from services.netlink.connection import Connection
from services.netlink.errors import NetlinkError

_QUEUES: tuple[tuple[QueueWay, str], ...] = (("queue", "queue"), ("target", "compat"))
"""Ways to a queue, the one first that all tools show, each with the part that it takes."""
_SIOCETHTOOL = 0x8946
_GET_TSO, _GET_GSO, _GET_GRO = 0x1E, 0x23, 0x2B
_REQUEST = struct.Struct("16sP16x")


def find(connection: Connection, without: frozenset[str]) -> Ways:
    """What nf_tables has here; the agent's table must be there.

    Args:
        connection: to nfnetlink, the table's owner.
        without: what to do without, as if the kernel lacked it: the expression `queue`, xtables' targets
            in nft (`compat`), the expression `reject`.
    """
    queues = [way for way, part in _QUEUES if part not in without]
    reject = "reject" not in without
    untrack = _can(connection, Ways(None, reject=False, untrack=True))
    for ways in (*(Ways(way, reject) for way in queues), *(Ways(way, reject=False) for way in queues)):
        if _can(connection, ways):
            return replace(ways, untrack=untrack)
    return Ways(None, reject and _can(connection, Ways(None, reject=True)), untrack)


def _can(connection: Connection, ways: Ways) -> bool:
    try:
        connection.transact(base_chains.try_ways(ways))
    except NetlinkError:
        return False
    return True


def has_large_packets() -> bool:
    """Whether a link of this namespace segments or merges packets, so that one may be many on the wire."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        return any(
            _setting(any_socket, device, command)
            for device in host_links()
            for command in (_GET_TSO, _GET_GSO, _GET_GRO)
        )


def _setting(any_socket: socket.socket, device: str, command: int) -> int:
    """A setting of a link; 0 where it has none, or is gone."""
    value = array.array("I", (command, 0))
    with suppress(OSError):
        fcntl.ioctl(any_socket, _SIOCETHTOOL, _REQUEST.pack(device.encode(), value.buffer_info()[0]))
    return value[1]
