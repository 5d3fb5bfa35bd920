"""JSON lines with limits, without I/O.

Theory of operation
    A line is one JSON object, UTF-8, ended by LF. `LineBuffer` cuts what a peer sends into lines and holds at
    most one unfinished line. `parse` looks at the raw bytes first: length, then nesting (brackets outside
    strings), and only then hands them to `json`, so neither memory nor the parser's stack is the peer's to
    spend. Strict: no duplicate keys, no NaN or Infinity, no integer beyond 64 bits, no lone surrogate.
"""

import json
import math
import re
from dataclasses import dataclass

from socketlab.wire.errors import WireError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one line may be.

    Args:
        line: longest line in bytes, its LF not counted.
        depth: deepest nesting of objects and arrays.
        items: most members of one object or array.
    """

    line: int = 64 * 1024
    depth: int = 12
    items: int = 1024


LIMITS = Limits()
_INT64 = 2**63
_DIGITS = 20
"""More digits than any 64-bit integer has: longer literals are refused before they are converted."""
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def _refuse_constant(name: str) -> float:
    raise WireError("wire-number", seen=name)


def _int64(literal: str) -> int:
    if len(literal) > _DIGITS or not -_INT64 <= (value := int(literal)) < _INT64:
        raise WireError("wire-number", seen=literal[:_DIGITS])
    return value


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise WireError("wire-number", seen=literal[:_DIGITS])
    return value


def _check_depth(line: bytes, limit: int) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(line):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > limit:
                raise WireError("wire-depth", limit=limit)
        elif first in b"]}":
            depth -= 1


def parse(line: bytes, limits: Limits = LIMITS) -> dict[str, object]:
    """One line to one JSON object.

    Args:
        line: the bytes of the line; a closing LF is allowed.
        limits: what the line may be.

    Raises:
        WireError: the line is over a limit, or is not one strict JSON object.
    """
    line = line.removesuffix(b"\n")
    if len(line) > limits.line:
        raise WireError("wire-line", limit=limits.line, seen=len(line))
    _check_depth(line, limits.depth)

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(pairs) > limits.items:
            raise WireError("wire-items", limit=limits.items, seen=len(pairs))
        found = dict(pairs)
        if len(found) != len(pairs):
            raise WireError("wire-duplicate")
        return found

    try:
        text = line.decode("utf-8")
        plain = json.loads(
            text,
            object_pairs_hook=members,
            parse_constant=_refuse_constant,
            parse_int=_int64,
            parse_float=_finite,
        )
    except ValueError as error:
        raise WireError("wire-json", seen=ascii(line[:60]), why=str(error)) from error
    if not isinstance(plain, dict):
        raise WireError("wire-object", seen=type(plain).__name__)
    _check_values(plain, limits)
    return plain


def _check_values(plain: object, limits: Limits) -> None:
    """Look for what `json` lets pass: long arrays, and text that no UTF-8 can carry."""
    waiting = [plain]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                raise WireError("wire-surrogate")
        elif isinstance(value, list):
            if len(value) > limits.items:
                raise WireError("wire-items", limit=limits.items, seen=len(value))
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.keys())
            waiting.extend(value.values())


def render(plain: dict[str, object], limits: Limits = LIMITS) -> bytes:
    """One JSON object to one line, its LF included; checked by the same rules that the reader applies.

    Raises:
        WireError: the reader would refuse the line.
    """
    try:
        line = json.dumps(plain, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError as error:
        raise WireError("wire-json", seen=ascii(plain)[:60], why=str(error)) from error
    parse(line, limits)
    return line + b"\n"


class LineBuffer:
    """Cuts a stream of bytes into lines.

    Args:
        limit: longest line in bytes, its LF not counted. No more than that is ever held.
    """

    def __init__(self, limit: int = LIMITS.line) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; give the lines that are complete now, without their LF.

        Raises:
            WireError: a line is over the limit. The stream cannot be taken up again.
        """
        lines: list[bytes] = []
        for number, piece in enumerate(data.split(b"\n")):
            if number:
                lines.append(bytes(self._rest))
                self._rest.clear()
            # Only what is new is looked at: a peer that sends byte by byte costs no more than another.
            self._rest += piece
            if len(self._rest) > self._limit:
                seen = len(self._rest)
                self._rest.clear()
                raise WireError("wire-line", limit=self._limit, seen=seen)
        return lines

    @property
    def unfinished(self) -> bytes:
        """What has arrived since the last LF."""
        return bytes(self._rest)
