"""Which style of server serves which transport, and what else of a command line goes together.

A style that gives each connection a thread or a process of its own has nothing to give to a datagram, which
belongs to no connection. Sequenced packets (SOCK_SEQPACKET) are connections, and are shown by the two styles
that read from top to bottom.
"""

import os
from collections.abc import Iterable
from typing import Final, cast

from services import ports
from services.protocol.served import SERVED
from services.server.errors import UsageError
from services.server.listeners import Transport
from services.server.options import Options
from services.server.socket_options import refuse_senseless

_STREAMS: Final[frozenset[Transport]] = frozenset(("tcp", "unix-stream"))
_DATAGRAMS: Final[frozenset[Transport]] = frozenset(("udp", "unix-dgram"))
_PACKETS: Final[frozenset[Transport]] = frozenset(("unix-seqpacket",))
_INTERNET: Final[tuple[Transport, ...]] = ("tcp", "udp")

CELLS: Final[dict[str, frozenset[Transport]]] = {
    "iterative": _STREAMS | _DATAGRAMS | _PACKETS,
    "threaded": _STREAMS | _PACKETS,
    "pool": _STREAMS,
    "forking": _STREAMS,
    "prefork": _STREAMS | {"udp"},
    "select": _STREAMS | _DATAGRAMS,
    "epoll": _STREAMS | _DATAGRAMS,
    "asyncio": _STREAMS | _DATAGRAMS,
}
"""What each style serves."""
BOTH: Final = "both"
TRANSPORTS: Final[tuple[str, ...]] = ("tcp", "udp", BOTH, "unix-stream", "unix-dgram", "unix-seqpacket")
"""What --transport takes."""
DEFAULT_TRANSPORT: Final = "tcp"
RELAY: Final = "relay"
PROTOCOLS: Final[tuple[str, ...]] = tuple(dict.fromkeys((*SERVED, RELAY)))
"""What --protocol takes."""
DEFAULT_PROTOCOL: Final = "echo"
_UNASKED: Final[dict[str, tuple[object, ...]]] = {
    "protocol": (DEFAULT_PROTOCOL,),
    "transport": (DEFAULT_TRANSPORT,),
    "port": (ports.ECHO, 0),
}
"""What an option has when nobody asked for it. Port 0, whichever is free, does no harm to any transport."""
_STREAM_STYLE: Final = "threaded"
_DATAGRAM_STYLE: Final = "iterative"
_POOL: Final = 16
"""Threads of a pool: as many peers are served at once, the others wait in the backlog."""


def parts(style: str | None, transport: str) -> list[tuple[str, Transport]]:
    """Which style serves which transport.

    Args:
        style: None: threaded for streams, iterative for datagrams.
        transport: one of `TRANSPORTS`; `both` is two parts, and the datagrams of a style that has none are
            served by the iterative one.

    Raises:
        UsageError: the style does not serve it.
    """
    if transport == BOTH:
        datagrams = style if style is not None and "udp" in CELLS[style] else None
        return parts(style, "tcp") + parts(datagrams, "udp")
    served = cast("Transport", transport)
    if style is None:
        style = _DATAGRAM_STYLE if served in _DATAGRAMS else _STREAM_STYLE
    if served not in CELLS[style]:
        raise UsageError(
            "server.style-transport", style=style, transport=served, those=", ".join(styles_for(served))
        )
    return [(style, served)]


def styles_for(transport: Transport) -> list[str]:
    """The styles that serve it."""
    return [style for style, served in CELLS.items() if transport in served]


def default_workers(style: str) -> int | None:
    """How many workers a style starts beforehand if it is not told; None: it starts none.

    A pool's threads wait for peers most of the time, so they are more than there are cores; the processes of
    prefork each serve many peers, so there is one for each core, and two at least, or there were no choice.
    """
    match style:
        case "pool":
            return _POOL
        case "prefork":
            return max(2, len(os.sched_getaffinity(0)))
        case _:
            return None


def refuse_impossible(options: Options) -> None:
    """Look whether what is asked for goes together.

    Raises:
        UsageError: it does not; the sentence says what would.
    """
    if options.lab:
        if asked := _asked(options, "style", "protocol", "transport", "path", "workers", "upstream"):
            raise UsageError("server.lab-alone", option=asked)
        refuse_senseless(options.socket, _INTERNET, options.address)
        return
    served = parts(options.style, options.transport)
    transports = [transport for _, transport in served]
    _refuse_protocol(options, transports)
    _refuse_where(options)
    if options.workers is not None and not any(default_workers(style) for style, _ in served):
        those = ", ".join(style for style in CELLS if default_workers(style))
        raise UsageError("server.workers-style", style=served[0][0], those=those)
    refuse_senseless(options.socket, transports, options.address)


def _refuse_protocol(options: Options, transports: Iterable[Transport]) -> None:
    """What does not go with the protocol."""
    if _DATAGRAMS.intersection(transports) and not _has_datagrams(options.protocol):
        those = ", ".join(filter(_has_datagrams, PROTOCOLS))
        raise UsageError("server.no-datagrams", protocol=options.protocol, those=those)
    if options.protocol == RELAY and _PACKETS.intersection(transports):
        raise UsageError("server.relay-no-packets", those=", ".join(sorted(_STREAMS | _DATAGRAMS)))
    if options.protocol == RELAY and options.upstream is None:
        raise UsageError("server.relay-needs-upstream")
    if options.protocol != RELAY and options.upstream is not None:
        raise UsageError("server.upstream-needs-relay", protocol=options.protocol)


def _refuse_where(options: Options) -> None:
    """What does not go with the kind of address."""
    if options.transport.startswith("unix"):
        if options.path is None:
            raise UsageError("server.needs-path", transport=options.transport)
        if asked := _asked(options, "address", "port"):
            raise UsageError("server.unix-no-port", transport=options.transport, option=asked)
    elif options.path is not None:
        raise UsageError("server.path-needs-unix", transport=options.transport)


def _has_datagrams(protocol: str) -> bool:
    return protocol == RELAY or (protocol in SERVED and SERVED[protocol].datagrams is not None)


def _asked(options: Options, *names: str) -> str | None:
    """The first of these options that was asked for."""
    for name in names:
        if getattr(options, name) not in {None, *_UNASKED.get(name, ())}:
            return f"--{name}"
    return None
