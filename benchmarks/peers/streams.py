"""asyncio's streams, on its own loop."""

import asyncio

from benchmarks.peers import ADDRESS, BACKLOG, READ, announce


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    try:
        while data := await reader.read(READ):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the peer is gone, and so is whom to tell
    finally:
        writer.close()


async def serve() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(echo, ADDRESS, 0, backlog=BACKLOG)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
