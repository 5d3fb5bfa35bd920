"""Offloads of a link, off: then a packet is a segment with its checksum in it (linux/ethtool.h)."""

import array
import fcntl
import socket
import struct
from contextlib import suppress

_SIOCETHTOOL = 0x8946
_SET_TX_CHECKSUM, _SET_TSO, _SET_GSO, _SET_GRO = 0x17, 0x1F, 0x24, 0x2C
_REQUEST = struct.Struct("16sP16x")


def turn_off(device: str) -> None:
    """Let a link of this network namespace segment, merge and checksum nothing.

    What it cannot do anyway it need not be told not to.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (_SET_TSO, _SET_GSO, _SET_GRO, _SET_TX_CHECKSUM):
            value = array.array("I", (command, 0))
            with suppress(OSError):
                fcntl.ioctl(any_socket, _SIOCETHTOOL, _REQUEST.pack(device.encode(), value.buffer_info()[0]))
