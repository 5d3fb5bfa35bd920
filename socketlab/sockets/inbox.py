"""Lines of what a stream brings, in pieces, so that Ctrl-C anywhere loses none of them.

The piece that is being split stays where it is until one assignment has put its lines in its place, and a
line is the first one until it has been dealt with: whoever is interrupted in between, the next one begins
that step again.
"""

from collections import deque
from typing import Final

from socketlab.wire.call import LONGEST
from socketlab.wire.errors import WireError

_PARTS: Final = 256
"""Pieces of one line that are kept apart, before they are joined to one piece."""


class Inbox:
    """Bytes in, lines out."""

    def __init__(self) -> None:
        self._pieces: deque[list[bytes]] = deque()
        self._progress: tuple[list[bytes] | None, tuple[bytes, ...], list[bytes]] = (None, (), [])

    def put(self, data: bytes) -> None:
        """Take what the stream has brought."""
        _, parts, lines = self._progress
        if not lines and not parts and not self._pieces and data.find(b"\n") == len(data) - 1:
            self._progress = (None, (), [data])  # one line, as nearly always
        else:
            self._pieces.append([data])  # in a list: its identity is what tells it from an equal piece

    def first(self) -> bytes | None:
        """The first line that is whole; None: there is none.

        Raises:
            WireError: a line is longer than any may be.
        """
        while True:
            piece, parts, lines = self._progress
            if lines:
                return lines[-1]
            if self._pieces and self._pieces[0] is piece:
                self._pieces.popleft()
            if not self._pieces:
                return None
            self._split(self._pieces[0], parts)

    def done(self) -> None:
        """The first line has been dealt with."""
        self._progress[2].pop()

    def _split(self, piece: list[bytes], parts: tuple[bytes, ...]) -> None:
        head, *more = piece[0].split(b"\n")
        parts = (*parts, head)
        if more:
            last = more.pop()
            lines = [b"".join(parts), *more]
            lines.reverse()  # the first line at the end, where it is taken from
            self._progress = (piece, (last,) if last else (), lines)
            return
        held = sum(map(len, parts))
        if held > LONGEST:
            raise WireError("wire-line", limit=LONGEST, seen=held)
        self._progress = (piece, parts if len(parts) < _PARTS else (b"".join(parts),), [])
