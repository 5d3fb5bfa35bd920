"""Waits for bytes that Ctrl-C ends in every case.

A signal that arrives just before a thread enters recv(2) is noticed when that call is over, so a wait without
an end might never notice it. One that is over every now and then, and begun again, costs nothing while bytes
come: the kernel itself keeps the time (SO_RCVTIMEO), no further call does.
"""

import os
import socket
import struct
from typing import Final

SECONDS: Final = 0.5
_TIMEVAL: Final = struct.Struct("@ll")


def let_return(connection: socket.socket) -> None:
    """Have a blocking socket's `recv` raise BlockingIOError every now and then, while there is nothing.

    Args:
        connection: without a timeout of Python's own.
    """
    if os.name == "posix":  # elsewhere the option is of another form, and Ctrl-C ends no recv at all
        value = _TIMEVAL.pack(0, int(SECONDS * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
