"""What the server of an event loop knows of those that it serves."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol, TypeAlias

from services.server.service import Limits


class Guest(Protocol):
    """What serves one peer: a connection, or a relay with its two."""

    async def open(self, *, delays: bool) -> None:
        """Begin.

        Args:
            delays: whether small pieces shall wait for each other (no TCP_NODELAY).

        Raises:
            OSError: it cannot; the socket is still the caller's.
        """

    def check(self, now: float) -> None:
        """See whether a limit has passed; called now and then with `time.monotonic`."""

    def drain(self, now: float) -> None:
        """The server is to stop: end when nothing more arrives."""


def let_delay(transport: asyncio.BaseTransport) -> None:
    """Take back TCP_NODELAY, which every transport sets, whether it is asked to or not."""
    with contextlib.suppress(OSError):  # it is reset already
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


Left: TypeAlias = Callable[[Guest, str], None]
"""Called once, when a guest has closed everything it had, with why."""
Welcome: TypeAlias = Callable[[socket.socket, Limits, Left], Guest]
"""Makes what serves one accepted, non-blocking connection."""
