"""What relays of every style do alike: for how long they wait, how they pass on a failure, what they tell.

Theory of operation
    A relay that cannot give an answer must not close the connection politely: to the client a FIN is the end
    of an answer, and half of one would pass for the whole. So where an answer is missing, or a stream was
    broken, the other side gets a RST: an error there too. A relay closes with FIN what both sides have left
    alone.

    On a Unix socket nothing like a RST can be sent at will: close() makes an error for the peer only if data
    of the peer's was not read (ECONNRESET), else it is an ordinary end.
"""

import os
import socket
from typing import Final

from services.messages import say
from services.protocol.pump import Pump
from services.server.log import log
from services.server.options import Upstream
from services.server.service import Limits

FULL_PAUSE: Final = 0.02
"""Seconds until a Unix socket with a full backlog is tried again: nothing tells when it has room."""


def until(pump: Pump, limits: Limits, answer: float, *, draining: bool) -> tuple[float, str]:
    """When a relay ends if nothing more moves, and why then.

    `upstream-no-answer`, `unread` and `upstream-unread` are failures; `idle` and `stopping` are not.

    Args:
        pump: the relay's.
        limits: of a connection.
        answer: seconds that the upstream has for an answer.
        draining: whether the server is to stop.
    """
    ends = [
        (since + seconds, why)
        for since, seconds, why in (
            (pump.awaited, answer, "upstream-no-answer"),
            (pump.near.unsent_since, limits.send, "unread"),
            (pump.far.unsent_since, limits.send, "upstream-unread"),
        )
        if since is not None
    ]
    if ends:
        return min(ends)
    return (pump.moved + limits.quiet, "stopping") if draining else (pump.moved + limits.idle, "idle")


def raise_pending(sock: socket.socket) -> None:
    """Look whether the connection has been reset, although nothing is read or written now.

    Raises:
        OSError: it has.
    """
    if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))


def open_far(family: int) -> socket.socket:
    """A non-blocking stream socket to connect to an upstream.

    It does not wait for more to send (TCP_NODELAY): how the pieces are cut was the client's decision.

    Raises:
        OSError: there is none to be had.
    """
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def tell(event: str, upstream: Upstream, peer: str, why: str, seconds: float) -> None:
    """Write a warning: an upstream did not do what a relay needs it for.

    Args:
        event: `upstream-unreachable`, `upstream-no-answer`, `upstream-unread`, `upstream-broken` or, of
            datagrams, `upstream-failed`.
        upstream: which.
        peer: whose answer is missing.
        why: what the kernel said, or which timer of ours.
        seconds: for how long it was tried, or waited for.
    """
    log(
        "WARNING",
        event,
        upstream=str(upstream),
        peer=peer,
        why=why,
        seconds=round(seconds, 3),
    )


def tell_late(why: str, pump: Pump, upstream: Upstream, peer: str, now: float) -> None:
    """Write a warning if what has passed is a limit of the upstream's.

    Args:
        why: as of `until`.
        pump: the relay's.
        upstream: which.
        peer: whose answer is missing.
        now: `time.monotonic`.
    """
    since = {"upstream-no-answer": pump.awaited, "upstream-unread": pump.far.unsent_since}.get(why)
    if since is not None:
        tell(why, upstream, peer, own_timer(), now - since)


def peer_of(conn: socket.socket) -> object:
    """The peer's address, which a connection does not know any more when it is reset."""
    try:
        address: object = conn.getpeername()
    except OSError:
        return None
    return address


def own_timer() -> str:
    """Instead of what the kernel said: it has said nothing, we waited no longer."""
    return say("server.relay.own-timer")
