"""Frames: a header of fixed size, and a JSON object of the length that the header tells.

Theory of operation
    A frame is judged as soon as enough of it is there: magic by its first bytes, the rest of the header
    before the payload arrives. So nobody can make us hold more than one payload of the allowed size, and a
    peer that speaks another protocol is told so at once, not after 28 bytes. A header, in network byte order:

        4  magic      `SLAB`
        1  version    1
        1  type       `Kind`
        2  flags      0
        8  id         which request; 0: the session, not one request
        4  length     of the payload, in bytes
        8  time       when it was sent, in ns since the epoch, by the sender's clock

    JSON is strict (RFC 8259): UTF-8, no NaN or Infinity, no number that Python cannot hold. The decoder calls
    itself for each level of nesting, so depth is measured before it runs; see `nesting`.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from json.scanner import make_scanner
from typing import Any, Final, NoReturn, TypeAlias, cast

from services.protocol.errors import LocalProtocolError, RemoteProtocolError

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
"""What a payload is made of."""
Frame: TypeAlias = tuple[int, int, dict[str, JSON], int]
"""Its type, id, payload, and when it was sent. A plain tuple: one is made for each request served."""

MAGIC: Final = b"SLAB"
VERSION: Final = 1
HEADER: Final = struct.Struct("!4sBBHQIQ")
SESSION: Final = 0
"""The id of what concerns the session and not one request."""
NONCE_MAX: Final = 64
"""Longest nonce, in characters."""
_SHOWN: Final = 40
"""So much of an offending payload is shown."""


class Kind(IntEnum):
    """The types of frames."""

    HELLO = 1
    WELCOME = 2
    REQUEST = 3
    RESPONSE = 4
    ERROR = 5


_KIND_MAX: Final = int(max(Kind))
_REQUEST: Final = struct.pack("!4sBBH", MAGIC, VERSION, Kind.REQUEST, 0)
"""How the header of every request begins."""
_ID_AND_LENGTH: Final = struct.Struct("!QI")
"""What comes next in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may ask for.

    Args:
        payload: longest payload in bytes; a stream holds at most one unfinished payload of that size.
        depth: deepest nesting of objects and arrays, the payload itself counted; far below the interpreter's
            recursion limit (1000).
        waits: most requests whose answer is still to come; together they hold at most `payload` bytes.
    """

    payload: int = 64 * 1024
    depth: int = 32
    waits: int = 64


LIMITS: Final = Limits()
DATAGRAM_LIMITS: Final = Limits(payload=65_507 - HEADER.size, waits=256)
"""A frame fits in the largest UDP datagram over IPv4: 65,535 bytes less two headers (RFC 768, RFC 791)."""


def frame(kind: int, ident: int, payload: bytes, sent_ns: int) -> bytes:
    """One frame as bytes.

    Args:
        kind: its type.
        ident: its id.
        payload: a JSON object, as made by `to_json`.
        sent_ns: now, in ns since the epoch.
    """
    return HEADER.pack(MAGIC, VERSION, kind, 0, ident, len(payload), sent_ns) + payload


class FrameBuffer:
    """Cuts a stream into frames.

    Args:
        limits: what a frame may be.
    """

    __slots__ = ("_held", "_limits", "_needed")

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._held: bytearray | None = None
        self._needed = 0

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._held is not None

    def frames(self, data: bytes) -> Iterator[Frame]:
        """Take what arrived; give one by one the frames that are complete now. All of them must be taken.

        Raises:
            RemoteProtocolError: what comes next is no frame, or over the limits. The stream cannot be taken
                up again.
        """
        if self._held is not None:
            # Looked at only when something can be decided: byte by byte a frame costs no more than at once.
            self._held += data
            if len(self._held) < self._needed:
                return
            data, self._held = bytes(self._held), None
        at, end = 0, len(data)
        while end - at >= HEADER.size:
            kind, ident, length, sent_ns = _header(data, at, self._limits.payload)
            body = at + HEADER.size
            if end - body < length:
                break
            at = body + length
            yield kind, ident, from_json(data[body:at], self._limits.depth), sent_ns
        if at < end:
            self._hold(data[at:])

    def finish(self) -> None:
        """The peer has closed its side.

        Raises:
            RemoteProtocolError: in the middle of a frame.
        """
        if self._held is not None:
            raise RemoteProtocolError("protocol.unfinished-frame", seen=len(self._held))

    def _hold(self, rest: bytes) -> None:
        if not rest.startswith(MAGIC[: len(rest)]):
            raise RemoteProtocolError("protocol.bad-magic", seen=ascii(rest[: len(MAGIC)]))
        if len(rest) < len(MAGIC):
            self._needed = len(rest) + 1
        elif len(rest) < HEADER.size:
            self._needed = HEADER.size
        else:
            self._needed = HEADER.size + HEADER.unpack_from(rest)[5]
        self._held = bytearray(rest)


def request_alone(data: bytes, limits: Limits) -> tuple[int, dict[str, JSON]] | None:
    """The id and payload of one whole REQUEST, with nothing before it or behind; None: `data` is not that.

    Most often it is, and then this gives what a `FrameBuffer` would, with half of the calls, and calls are
    what a request costs: a framed echo takes 2.4 times the server CPU of a plain one, without this 3 times.

    Raises:
        RemoteProtocolError: the payload is not as it should be.
    """
    if len(data) < HEADER.size or not data.startswith(_REQUEST):
        return None
    ident, length = _ID_AND_LENGTH.unpack_from(data, len(_REQUEST))
    if length != len(data) - HEADER.size or length > limits.payload:
        return None
    return ident, from_json(data[HEADER.size :], limits.depth)


def recognise(datagram: bytes) -> tuple[int, int] | None:
    """The type and the id of the frame that a datagram claims to be; None: it is none, of any version."""
    if len(datagram) < HEADER.size or not datagram.startswith(MAGIC):
        return None
    _, _, kind, _, ident, _, _ = HEADER.unpack_from(datagram)
    return kind, ident


def read_datagram(datagram: bytes, limits: Limits = LIMITS) -> Frame:
    """The one frame that a datagram holds.

    Args:
        datagram: at least a header long, see `recognise`.
        limits: what a frame may be.

    Raises:
        RemoteProtocolError: it holds no frame, more than one, or is over the limits.
    """
    kind, ident, length, sent_ns = _header(datagram, 0, limits.payload)
    if len(datagram) != HEADER.size + length:
        raise RemoteProtocolError("protocol.bad-length", expected=HEADER.size + length, seen=len(datagram))
    return kind, ident, from_json(datagram[HEADER.size :], limits.depth), sent_ns


def _header(data: bytes, at: int, most: int) -> tuple[int, int, int, int]:
    """The type, id, payload length and time of the header at `at`."""
    magic, version, kind, flags, ident, length, sent_ns = HEADER.unpack_from(data, at)
    if magic != MAGIC:
        raise RemoteProtocolError("protocol.bad-magic", seen=ascii(magic))
    if version != VERSION:
        raise RemoteProtocolError("protocol.bad-version", expected=VERSION, seen=version)
    if not 1 <= kind <= _KIND_MAX:
        raise RemoteProtocolError("protocol.bad-type", most=_KIND_MAX, seen=kind)
    if flags:
        raise RemoteProtocolError("protocol.bad-flags", seen=f"{flags:#06x}")
    if length > most:
        raise RemoteProtocolError("protocol.payload-too-large", limit=most, seen=length)
    return kind, ident, length, sent_ns


def _refuse_number(literal: str) -> NoReturn:
    raise RemoteProtocolError("protocol.bad-number", seen=literal[:_SHOWN])


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):  # a literal such as 1e999
        _refuse_number(literal)
    return value


_scan: Final = make_scanner(cast("Any", json.JSONDecoder(parse_constant=_refuse_number, parse_float=_finite)))
"""The value at a place in a text, and where it ends: what is at the bottom of json.loads()."""
encode_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""A value as JSON text; an encoder made once, as json.dumps() would make one for each call."""


def from_json(payload: bytes, depth: int = LIMITS.depth) -> dict[str, JSON]:
    """The object that a payload holds.

    Args:
        payload: the bytes.
        depth: deepest nesting allowed.

    Raises:
        RemoteProtocolError: it is no strict JSON object, or nested too deep.
    """
    # As of `is_deeper`: not called, because this is done for each request.
    if payload.count(b"[") + payload.count(b"{") > depth and nesting(payload) > depth:
        raise RemoteProtocolError("protocol.too-deep", limit=depth)
    try:
        text = payload.decode().strip(" \t\r\n")
        value, end = _scan(text, 0)
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(
            "protocol.payload-not-utf8", seen=ascii(payload[:_SHOWN]), at=error.start
        ) from error
    except StopIteration as error:  # there, no value begins
        raise RemoteProtocolError("protocol.not-json", seen=ascii(text[:_SHOWN]), at=error.value) from error
    except json.JSONDecodeError as error:
        raise RemoteProtocolError("protocol.not-json", seen=ascii(text[:_SHOWN]), at=error.pos) from error
    except (
        ValueError
    ) as error:  # an integer with more digits than Python converts (sys.set_int_max_str_digits)
        raise RemoteProtocolError("protocol.bad-number", seen=ascii(str(error)[:_SHOWN])) from error
    if end != len(text):
        raise RemoteProtocolError("protocol.not-json", seen=ascii(text[:_SHOWN]), at=end)
    if not isinstance(value, dict):
        raise RemoteProtocolError("protocol.not-an-object", seen=ascii(text[:_SHOWN]))
    return value


def is_deeper(payload: bytes, depth: int) -> bool:
    """Whether objects and arrays are nested deeper than `depth`; in linear time, without recursion."""
    # No deeper than it has brackets: two counts, and few payloads are ever measured.
    return payload.count(b"[") + payload.count(b"{") > depth and nesting(payload) > depth


def nesting(payload: bytes) -> int:
    """How deep the objects and arrays of a payload are nested; of broken JSON, no less than a decoder gets.

    Escapes are taken out first, then strings, which end at quotes. A backslash outside strings is no JSON: a
    decoder stops there, so it does not matter how we count what follows.
    """
    without_escapes = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(without_escapes.split(b'"')[::2])
    steps = outside_strings.translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b"), initial=0))


_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""A step down or up for each bracket; 0xff is -1 when read as a signed byte."""
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))


def to_bytes(text: str) -> bytes:
    """JSON text as a payload; half a surrogate pair, which UTF-8 cannot carry, as its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def to_json(value: Mapping[str, JSON], limits: Limits = LIMITS) -> bytes:
    """An object as a payload.

    Args:
        value: the object.
        limits: what the peer accepts.

    Raises:
        LocalProtocolError: it is no JSON, or over the limits: the peer would not accept it.
    """
    try:
        payload = to_bytes(encode_json(value))
    except (ValueError, TypeError, RecursionError) as error:
        raise LocalProtocolError("protocol.not-sendable", why=error) from error
    if len(payload) > limits.payload:
        raise LocalProtocolError("protocol.too-large-to-send", limit=limits.payload, seen=len(payload))
    if is_deeper(payload, limits.depth):
        raise LocalProtocolError("protocol.too-deep-to-send", limit=limits.depth)
    return payload


def error_payload(code: str, why: str) -> bytes:
    """The payload of an ERROR frame: a code for programs, a sentence for people."""
    return to_bytes(encode_json({"code": code, "why": why}))
