"""What the commands write: data on stdout, everything else on stderr; tables; JSON.

rich draws a table where stdout is a terminal, and is loaded only then. Elsewhere a table is plain columns,
so that a pipe gets what `cut` and `grep` expect.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from socketlab.wire.text import speaks_utf8, to_ascii

_GAP = "  "


def printable(text: str) -> str:
    """`text` of a peer without what a terminal would obey: each control character becomes `?`."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by whoever started us: nobody wants to read it
        return
    said = text if speaks_utf8() else to_ascii(text)
    stream.write(said.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii") + "\n")
    stream.flush()


def tell(text: str) -> None:
    """A sentence for the user, on stderr."""
    _write(sys.stderr, text)


def put(text: str) -> None:
    """A line or more of what was asked for, on stdout."""
    _write(sys.stdout, text)


def put_json(value: Any) -> None:
    """What was asked for, for a program."""
    _write(sys.stdout, json.dumps(value, indent=2, ensure_ascii=True))


def coloured() -> bool:
    """Whether stdout is a terminal that may be drawn on (no-color.org)."""
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def put_table(heads: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> None:
    """A table on stdout.

    Args:
        heads: the columns' names.
        rows: a cell a column.
        indent: columns to leave free at the left.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    if coloured():
        _draw(heads, cells, indent)
        return
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for row in ([*heads], *cells):
        line = _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        put(" " * indent + line.rstrip())


def _draw(heads: Sequence[str], rows: Sequence[Sequence[str]], indent: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - 60 ms that only a drawn table is worth
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    plain = (lambda text: text) if speaks_utf8() else to_ascii
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(plain(head), overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    Console(highlight=False, soft_wrap=False).print(Padding(table, (0, 0, 0, indent), expand=False))
