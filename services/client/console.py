"""Where the client writes: sentences for people, or lines of the wire for programs.

Data goes to standard output, everything else to standard error.
"""

import os
import shutil
import sys
import threading
from collections.abc import Mapping
from typing import Final, TextIO

from socketlab.wire import Limits, Message, encode
from socketlab.wire.text import speaks_utf8, to_ascii

WIDEST: Final = 100
NARROWEST: Final = 60

# A datagram of the largest size, in base64, is longer than a line of the wire is by default.
LINES: Final = Limits(line=128 * 1024)


def width() -> int:
    """Columns to fill: of COLUMNS, else of the terminal, else 80; between `NARROWEST` and `WIDEST`."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def printable(text: str) -> str:
    """`text` of a peer without what a terminal would obey: each control character becomes `?`."""
    return "".join(char if char.isprintable() else "?" for char in text)


class Console:
    """Writes whole lines, at once, from any thread.

    Args:
        stream: where to.
        environ: tells whether the console there is UTF-8.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self._utf8 = speaks_utf8(environ)
        self._lock = threading.Lock()

    def line(self, text: str = "") -> None:
        """One line for a person."""
        self._write((text if self._utf8 else to_ascii(text)).encode("utf-8", "replace") + b"\n")

    def message(self, message: Message) -> None:
        """One line of the wire."""
        self._write(encode(message, LINES))

    def data(self, data: bytes) -> None:
        """Bytes of a peer, as they came."""
        self._write(data)

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._stream.buffer.write(data)
            self._stream.buffer.flush()


OUT: Final = Console(sys.stdout)
ERR: Final = Console(sys.stderr)
