"""uvloop with an asyncio DatagramProtocol."""

import asyncio
import importlib
from typing import Any, cast

from benchmarks.peers import ADDRESS, announce

# By name: mypy must be content where uvloop is not installed, too.
uvloop = importlib.import_module("uvloop")


class Echo(asyncio.DatagramProtocol):
    """Serves one socket."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Give it back."""
        self.transport.sendto(data, addr)


async def serve() -> None:
    """Serve until killed."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, (ADDRESS, 0))
    announce(transport.get_extra_info("sockname")[1], "udp")
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
