"""How long a peer may be silent, or slow: decided from what its protocol waits for.

Theory of operation
    Three limits hold at once. A connection on which nothing arrives is idle, whatever it waits for. A peer
    that has yet to shake hands, or is in the middle of a message, has a time of its own to come to the end,
    however often it sends a byte. And when the server is to stop, a connection on which nothing arrives for
    a moment has nothing in flight. While an answer is due from us, silence is not the peer's.

    A server asks after each wait, or now and then for all its connections: the moment when a message began is
    the first time that it was seen, so a server that looks every second may be a second late, never early.
"""

from typing import Final

from services.protocol.serving import Serving, Stage
from services.server.service import Limits

_BETWEEN: Final = Stage.BETWEEN
"""Asked for with every request: to look up a member of an enum is a call (until Python 3.12)."""
_LOOKS: Final = 4
"""A limit is looked at so often while it runs: a connection ends at most a quarter of it late."""
_LOOK_MOST: Final = 1.0
_LOOK_LEAST: Final = 0.02


class Patience:
    """With one peer.

    Args:
        limits: in seconds.
        now: `time.monotonic`, when the connection was accepted.
    """

    __slots__ = ("_limits", "_message", "_since", "draining")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._since = now
        self._message = 0
        self.draining = False
        """Whether the server is to stop."""

    def until(self, serving: Serving, last: float, now: float) -> tuple[float, str]:
        """When it ends if nothing more arrives, and why then: `idle`, `handshake`, `slow` or `stopping`.

        Args:
            serving: the connection's.
            last: when the peer was heard last.
            now: both in seconds of `time.monotonic`.
        """
        limits, due, stage = self._limits, serving.due, serving.stage
        if stage is _BETWEEN and due is None and not self.draining:
            return last + limits.idle, "idle"
        silent_since = last if due is None else max(last, due)
        deadline, why = silent_since + limits.idle, "idle"
        if self.draining:
            deadline, why = silent_since + limits.quiet, "stopping"
        if stage is _BETWEEN:
            return deadline, why
        if stage is Stage.HANDSHAKE:
            limit, name = self._since + limits.handshake, "handshake"
        else:
            if self._message != serving.messages + 1:
                self._message, self._since = serving.messages + 1, now
            limit, name = self._since + limits.message, "slow"
        return (limit, name) if limit < deadline else (deadline, why)


def shortest_of(limits: Limits) -> float:
    """The shortest of them that a connection may come to feel, in seconds."""
    return min(limits.idle, limits.handshake, limits.message, limits.send)


def pause_between_looks(*limits: float) -> float:
    """How often to look at connections that have these limits, in seconds."""
    return min(_LOOK_MOST, max(_LOOK_LEAST, min(limits) / _LOOKS))
