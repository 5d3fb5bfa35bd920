"""Python values on the wire of calls, so that each comes back as the type it left as.

Theory of operation
    JSON has no bytes, no tuples and no sockets. None, booleans, integers, finite numbers, texts and lists are
    written as themselves; everything else is an object with one member, its tag:

        {"b": "aGk="}       bytes, base64
        {"t": [...]}        tuple
        {"u": "..."}        text that no UTF-8 can carry (a path's bytes by surrogateescape), base64
        {"d": [[k, v]...]}  dict
        {"h": [...]}        a handle: something the actor holds, a socket or another

    A call passes twice through each of `pack` and `unpack`, and they are most of its cost; so `pack` writes
    the JSON itself.
"""

import base64
import binascii
import math
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from socketlab.wire.errors import WireError

_PLAIN = frozenset({type(None), bool, int, float, str})
_INT64 = 2**63


class Handle(NamedTuple):
    """What the actor holds and the controller names: a socket, a poller, a file, a process.

    Args:
        number: its name, never used twice by one actor.
        what: `socket`, `epoll`, `poll`, `file` or `process`.
        family: of a socket, as the kernel numbers it; -1 of others.
        type: of a socket, as the kernel numbers it; -1 of others.
        proto: of a socket; -1 of others.
    """

    number: int
    what: str = "socket"
    family: int = -1
    type: int = -1
    proto: int = -1


def pack(value: Any) -> str:
    """A value as JSON.

    Raises:
        WireError: the value is of a type, or a number of a size, that the wire does not carry.
    """
    writer = _WRITERS.get(type(value))
    return _pack_other(value) if writer is None else writer(value)


def _pack_int(value: int) -> str:
    if not -_INT64 <= value < _INT64:
        raise WireError("wire-number", seen=str(value)[:20])
    return int.__repr__(value)


def _pack_float(value: float) -> str:
    if not math.isfinite(value):
        raise WireError("wire-number", seen=str(value)[:20])
    return float.__repr__(value)


def _pack_text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return f'{{"u":"{_base64(value.encode("utf-8", "surrogatepass"))}"}}'
    return quoted(value)


def _base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def _pack_bytes(value: bytes) -> str:
    return f'{{"b":"{_base64(value)}"}}'


def _pack_list(value: Iterable[Any]) -> str:
    return f"[{','.join([pack(item) for item in value])}]"


def _pack_tuple(value: Iterable[Any]) -> str:
    return f'{{"t":{_pack_list(value)}}}'


def _pack_dict(value: dict[Any, Any]) -> str:
    return f'{{"d":{_pack_list([list(item) for item in value.items()])}}}'


def _pack_handle(value: Handle) -> str:
    return f'{{"h":{_pack_list(value)}}}'


def _pack_other(value: Any) -> str:
    """Subclasses travel as what they extend: an enum's member as its number, a named tuple as a tuple."""
    for kind, plain in _EXTENDED:
        if isinstance(value, kind):
            return _WRITERS[plain](plain(value))
    name = type(value).__name__
    raise WireError("wire-type", where=name, expected="a value of the wire", seen=name)


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: _pack_int,
    float: _pack_float,
    str: _pack_text,
    bytes: _pack_bytes,
    tuple: _pack_tuple,
    list: _pack_list,
    dict: _pack_dict,
    Handle: _pack_handle,
}
_EXTENDED: tuple[tuple[type, Any], ...] = (
    (int, int),
    (float, float),
    (str, str),
    (bytes, bytes),
    (bytearray, bytes),
    (memoryview, bytes),
    (tuple, tuple),
    (list, list),
    (dict, dict),
)


def unpack(plain: Any) -> Any:
    """The value that `pack` wrote.

    Raises:
        WireError: `plain` is nothing that `pack` writes.
    """
    kind = type(plain)
    if kind in _PLAIN:
        return plain
    if kind is list:
        return [unpack(item) for item in plain]
    if kind is dict and len(plain) == 1:
        ((tag, body),) = plain.items()
        reader = _READERS.get(tag)
        if reader is not None:
            try:
                return reader(body)
            except (TypeError, ValueError, binascii.Error) as error:
                raise WireError("wire-value", tag=tag, why=str(error)) from error
    raise WireError("wire-type", where="value", expected="a value of the wire", seen=ascii(plain)[:60])


def _bytes(body: Any) -> bytes:
    return base64.b64decode(body.encode("ascii") if isinstance(body, str) else body, validate=True)


def _list(body: Any) -> list[Any]:
    if type(body) is not list:
        raise TypeError(type(body).__name__)
    return body


def _handle(body: Any) -> Handle:
    number, what, *rest = _list(body)
    if type(number) is not int or type(what) is not str or any(type(each) is not int for each in rest):
        raise TypeError("handle")
    return Handle(number, what, *rest)


_READERS = {
    "b": _bytes,
    "t": lambda body: tuple(unpack(item) for item in _list(body)),
    "u": lambda body: _bytes(body).decode("utf-8", "surrogatepass"),
    "d": lambda body: {unpack(key): unpack(item) for key, item in _list(body)},
    "h": _handle,
}
