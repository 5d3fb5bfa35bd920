"""Pump: bytes carried between two streams, each way by itself; what a relay does with what it does not read.

Theory of operation
    A pump has two sides: near, who came to us, and far, to whom we went for it. From each side a flow leads
    to the other. A flow holds one piece at most: its source is not read again until its sink has taken all of
    the last one. So a side that does not read stops the other by the window of TCP, and holds one piece here;
    and as no flow waits for the other one, both may be full without a deadlock. The piece grows for a source
    that fills it, so that bulk data takes few calls.

    The end of a stream is carried behind its data: when the source has closed its side and the sink has taken
    everything, the sink's side is to be closed (half-close, RFC 9293 3.6), and the other flow goes on. When
    both flows have ended, the pump is over. A reset has no place among the data: who does the I/O ends both.

    Whether the far side owes an answer is known as far as bytes can tell: since the last of ours was taken,
    nothing came back. Its time runs only while it is listened to.

    Who does the I/O asks each side what to do: `reads`, then `received`; `unsent`, then `sent`; `ends`, then
    `ended`. Times are given, in seconds of one monotonic clock.
"""

from typing import Final

from services.protocol.errors import LocalProtocolError

PIECE_LEAST: Final = 8 * 1024
"""Bytes to be read at once, at first."""
PIECE_MOST: Final = 256 * 1024
"""Most bytes to be read at once, and held in one direction."""
_NOTHING: Final = memoryview(b"")


class Flow:
    """One direction.

    Args:
        now: when it begins.
    """

    __slots__ = ("ended", "eof", "held", "moved", "piece")

    def __init__(self, now: float) -> None:
        self.held = _NOTHING
        self.piece = PIECE_LEAST
        self.eof = False
        """Whether the source has closed its side."""
        self.ended = False
        """Whether the sink was told."""
        self.moved = now
        """When the sink took something, or got something to take, last."""


class Side:
    """One of the two peers of a pump.

    Args:
        incoming: what comes from it.
        outgoing: what goes to it.
    """

    __slots__ = ("incoming", "outgoing")

    def __init__(self, incoming: Flow, outgoing: Flow) -> None:
        self.incoming = incoming
        self.outgoing = outgoing

    @property
    def reads(self) -> bool:
        """Whether it is to be read."""
        return not (self.incoming.held or self.incoming.eof)

    @property
    def piece(self) -> int:
        """Bytes to read at once."""
        return self.incoming.piece

    @property
    def finished(self) -> bool:
        """Whether it has closed its side."""
        return self.incoming.eof

    @property
    def unsent(self) -> memoryview:
        """What it has not taken yet; empty: it has everything."""
        return self.outgoing.held

    @property
    def unsent_since(self) -> float | None:
        """When it took something last, or was offered what it does not take; None: it has everything."""
        return self.outgoing.moved if self.outgoing.held else None

    @property
    def ends(self) -> bool:
        """Whether it is to be told now that nothing more comes (a FIN, shutdown(2))."""
        flow = self.outgoing
        return flow.eof and not flow.held and not flow.ended

    @property
    def done(self) -> bool:
        """Whether both have closed, it and we: its socket has served."""
        return self.incoming.eof and self.outgoing.ended


class Pump:
    """Two streams that are one.

    Args:
        now: when it begins.
    """

    __slots__ = ("_asked", "_back", "far", "moved", "near")

    def __init__(self, now: float) -> None:
        there, self._back = Flow(now), Flow(now)
        self.near: Final = Side(there, self._back)
        self.far: Final = Side(self._back, there)
        self.moved = now
        """When anything moved last, in either direction."""
        self._asked: float | None = None

    @property
    def awaited(self) -> float | None:
        """Since when the far side has owed an answer; None: it owes none, or cannot be listened to now."""
        return None if self._back.held or self._back.eof else self._asked

    @property
    def over(self) -> bool:
        """Whether both directions have ended."""
        return self.near.done and self.far.done

    def received(self, source: Side, data: bytes, now: float) -> None:
        """Take what one side has sent; `b""`: it has closed its side.

        Raises:
            LocalProtocolError: it was not to be read.
        """
        flow = source.incoming
        if flow.held or flow.eof:
            raise LocalProtocolError("protocol.not-to-be-read")
        self.moved = flow.moved = now
        if source is self.far:
            self._asked = None
        if not data:
            flow.eof = True
            return
        flow.held = memoryview(data)
        if len(data) >= flow.piece < PIECE_MOST:
            flow.piece *= 2

    def sent(self, sink: Side, count: int, now: float) -> None:
        """One side has taken so many bytes of what it has not had yet."""
        flow = sink.outgoing
        if not count:
            return
        self.moved = flow.moved = now
        flow.held = flow.held[count:] if count < len(flow.held) else _NOTHING
        # The far side's time begins anew when the near one, which held it up, has taken everything.
        if sink is self.far or (self._asked is not None and not flow.held):
            self._asked = now

    def ended(self, sink: Side, now: float) -> None:
        """One side has been told that nothing more comes."""
        self.moved = now
        sink.outgoing.ended = True
