"""What one run of the server is asked for."""

from dataclasses import dataclass

from services.server.listeners import spelled
from services.server.service import Limits
from services.server.socket_options import SocketOptions

_UNIX = "unix:"
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The server that a relay is a client of.

    Args:
        host: name or numeric address, resolved at each connect; empty: it is a Unix socket.
        port: of TCP, or of UDP if the relay takes datagrams.
        path: of a Unix socket of the same kind as the relay's, `@name`: an abstract one; None: it is none.
        connect: seconds that connecting may take.
        answer: seconds without an answer after which the relay gives it up.
    """

    host: str = ""
    port: int = 0
    path: str | None = None
    connect: float = 5.0
    answer: float = 10.0

    @classmethod
    def parse(cls, text: str) -> "Upstream":
        """Read `HOST:PORT`, `[V6]:PORT` or `unix:PATH`.

        Raises:
            ValueError: it is none of them.
        """
        if text.startswith(_UNIX):
            if path := text.removeprefix(_UNIX):
                return cls(path=path)
            raise ValueError(text)
        host, colon, number = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:  # `::1:7000` may be an address as it stands
            raise ValueError(text)
        if not (host and colon and number.isascii() and number.isdigit() and 0 < int(number) <= _PORT_MAX):
            raise ValueError(text)
        return cls(host=host, port=int(number))

    def __str__(self) -> str:
        return spelled(self.host, self.port) if self.path is None else f"{_UNIX}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for.

    Args:
        lab: serve every exhibit, and not one protocol.
        style: name of the style; None: what is usual for the transport (`cells.parts`).
        protocol: name of the one that is served.
        transport: `tcp`, `udp`, `both`, `unix-stream`, `unix-dgram` or `unix-seqpacket`.
        address: numeric; None: all addresses.
        port: 0: one that is free. Of the lab: where ECHO is, with the others at their distance from it.
        path: of the Unix socket, `@name`: an abstract one; None: it is none.
        workers: threads of the style pool, processes of prefork; None: the style's own number.
        upstream: of a relay; None: it is none.
        backlog: of listen(2).
        socket: what is set on every socket that serves.
        drain: seconds for what is in flight when the stop is asked.
        health: path of the Unix socket of the health answer; None: there is none.
        limits: what a peer may cost.
    """

    lab: bool
    style: str | None
    protocol: str
    transport: str
    address: str | None
    port: int
    path: str | None
    workers: int | None
    upstream: Upstream | None
    backlog: int
    socket: SocketOptions
    drain: float
    health: str | None
    limits: Limits
