"""uvloop with an asyncio Protocol: the usual answer to "asyncio, but fast"."""

import asyncio
import importlib
from typing import cast

from benchmarks.peers import ADDRESS, BACKLOG, announce

# By name: mypy must be content where uvloop is not installed, too.
uvloop = importlib.import_module("uvloop")


class Echo(asyncio.Protocol):
    """Serves one connection. What the peer does not take stops the reading, as in every server here."""

    __slots__ = ("transport",)

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back; uvloop has set TCP_NODELAY."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Give it back."""
        self.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more: the peer does not take what it gets."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self.transport.resume_reading()


async def serve() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Echo, ADDRESS, 0, backlog=BACKLOG)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
