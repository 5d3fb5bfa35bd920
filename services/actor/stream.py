"""The actor's two ends of its stream: lines in, lines out.

Theory of operation
    `Lines` belongs to one thread at a time, the one that leads; what it has read too much stays in it and
    goes with the role. `Answers` belongs to all: a line is written whole before the next one begins, and
    a controller that does not read makes the writers wait, so that nothing piles up here.
"""

import _thread
import os
from itertools import accumulate

from socketlab.wire.call import LONGEST, Answer, Hello, write
from socketlab.wire.errors import WireError

_PIECE = 16 * 1024
_LARGE_PIECE = 1024 * 1024
"""To go on with a line that is not whole: making room for so much costs more than a short line in all."""
_DEEPEST = 100
"""Levels of nesting: `json` recurses on the stack of a thread, which is small. None of ours comes near."""
_OPEN, _CLOSE = b"[{", b"]}"
_STEPS = bytes(1 if byte in _OPEN else 255 if byte in _CLOSE else 0 for byte in range(256))
_OTHERS = bytes(byte for byte in range(256) if byte not in _OPEN + _CLOSE)


def check_depth(line: bytes) -> None:
    """Brackets inside of texts count too, which only matters to a text of a hundred unclosed ones.

    Raises:
        WireError: the line is nested deeper than any of ours.
    """
    if len(line) <= _DEEPEST or line.count(b"[") + line.count(b"{") <= _DEEPEST:
        return
    steps = memoryview(line.translate(_STEPS, _OTHERS)).cast("b")
    if max(accumulate(steps)) > _DEEPEST:
        raise WireError("wire-depth", limit=_DEEPEST)


class Lines:
    """Lines from a descriptor.

    Args:
        descriptor: to read from; it blocks.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = bytearray()
        self._looked = 0
        """Bytes of the rest in which there is no LF."""

    def next(self) -> bytes | None:
        """The next line, without its LF; None: the stream is over. A last line without LF is none.

        Raises:
            WireError: the line is longer than any may be; nothing that follows can be read.
            OSError: the stream broke.
        """
        while (end := self._rest.find(b"\n", self._looked)) < 0:
            self._looked = len(self._rest)
            if self._looked > LONGEST:
                raise WireError("wire-line", limit=LONGEST, seen=self._looked)
            piece = os.read(self._descriptor, _LARGE_PIECE if self._looked else _PIECE)
            if not piece:
                return None
            if not self._looked and piece.find(b"\n") == len(piece) - 1:
                return piece[:-1]
            self._rest += piece
        line = bytes(memoryview(self._rest)[:end])
        del self._rest[: end + 1]
        self._looked = 0
        return line


class Answers:
    """Lines to a descriptor.

    Args:
        descriptor: to write to; it blocks.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = _thread.allocate_lock()

    def send(self, message: Answer | Hello) -> None:
        """Write a message.

        Raises:
            WireError: it holds what the wire does not carry; nothing was written.
            OSError: nobody reads any more.
        """
        line = write(message)
        with self._lock:
            written = os.write(self._descriptor, line)
            while written < len(line):
                written += os.write(self._descriptor, memoryview(line)[written:])
