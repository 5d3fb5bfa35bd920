"""Arguments of socket calls, checked as CPython checks them, before anything is sent.

A call with a bad argument is not made at all: it must not take data over there and then fail here. What the
real call says in its errors is said here in the same words, so that a text of it found on the web fits.
"""

import math
from collections.abc import Iterable
from operator import index
from socket import AF_INET, AF_INET6
from typing import Any, Final, TypeAlias

try:
    from socket import AF_UNIX
except ImportError:  # not on Windows, where a lab's hosts are on an engine
    AF_UNIX = 1  # type: ignore[assignment,misc]  # Linux's number: it is Linux that the call is made on

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What a call sends; any other object with the buffer protocol, such as `array.array`, does as well."""
Address: TypeAlias = tuple[Any, ...] | str | Buffer

_INT: Final = 2**31
_SIZE: Final = 2**63
_PORTS: Final = 2**16
_FLOWS: Final = 2**20
_UNIX_PATH: Final = 108
MOST: Final = 16 * 1024 * 1024
"""Bytes that one call carries; a line of the wire holds no more."""


def integer(value: Any) -> int:
    """A C int.

    Raises:
        TypeError: no integer.
        OverflowError: it does not fit.
    """
    if type(value) is not int:
        value = index(value)
    if not -_INT <= value < _INT:
        bound = "greater than maximum" if value > 0 else "less than minimum"
        raise OverflowError(f"signed integer is {bound}")
    return int(value)


def size(value: Any) -> int:
    """A C Py_ssize_t.

    Raises:
        TypeError: no integer.
        OverflowError: it does not fit.
    """
    value = index(value)
    if not -_SIZE <= value < _SIZE:
        raise OverflowError(f"cannot fit '{type(value).__name__}' into an index-sized integer")
    return int(value)


def readable(data: Any) -> bytes:
    """The bytes of an object with the buffer protocol.

    Raises:
        TypeError: it has none.
        BufferError: its bytes do not lie together.
    """
    if type(data) is bytes:
        return data
    return view(data).tobytes()


def view(data: Any) -> memoryview:
    """A view of the bytes of an object with the buffer protocol.

    Raises:
        TypeError: it has none.
        BufferError: its bytes do not lie together.
    """
    try:
        seen = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'") from None
    if not seen.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return seen.cast("B") if seen.nbytes else memoryview(b"")


def writable(buffer: Any, call: str) -> memoryview:
    """A view that can be written into.

    Raises:
        TypeError: not of such an object.
        BufferError: its bytes do not lie together.
    """
    try:
        seen = memoryview(buffer)
    except TypeError:
        seen = None
    if seen is None or seen.readonly:
        kind = type(buffer).__name__
        raise TypeError(f"{call} argument 1 must be read-write bytes-like object, not {kind}")
    if not seen.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return seen.cast("B") if seen.nbytes else memoryview(bytearray())


def bufsize(value: Any, call: str) -> int:
    """How much a call may receive.

    Raises:
        ValueError: negative.
    """
    number = size(value)
    if number < 0:
        raise ValueError(f"negative buffersize in {call}")
    return number


def room(nbytes: Any, buffer: memoryview, call: str, too_small: str) -> int:
    """How much `recv_into` and its like may receive into a buffer; 0: all that fits.

    Raises:
        ValueError: negative, or more than fits.
    """
    number = bufsize(nbytes, call)
    if number > len(buffer):
        raise ValueError(too_small)
    return number or len(buffer)


def given(flags: Any) -> tuple[int, ...]:
    """Flags as an argument; none where there are none, so that a call reads as it was written."""
    number = integer(flags)
    return (number,) if number else ()


def option(value: Any) -> int | bytes:
    """The value of a socket's option.

    Raises:
        TypeError: neither a C int nor bytes.
    """
    if isinstance(value, int):
        try:
            return integer(value)
        except OverflowError:  # what is no C int can only be bytes, and it is none
            pass
    return readable(value)


def seconds(value: Any) -> float | None:
    """A timeout.

    Raises:
        TypeError: no number.
        ValueError: negative, or not a number.
        OverflowError: more than a C time holds.
    """
    if value is None:
        return None
    if isinstance(value, float):
        number = value
        if math.isnan(number):
            raise ValueError("Invalid value NaN (not a number)")
    else:
        try:
            number = float(index(value))
        except TypeError:
            name = type(value).__name__
            raise TypeError(f"'{name}' object cannot be interpreted as an integer") from None
    if not -_SIZE / 1e9 < number < _SIZE / 1e9:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")
    if number < 0:
        raise ValueError("Timeout value out of range")
    return number


def address(value: Any, family: int, call: str) -> Any:
    """An address of a family.

    Raises:
        TypeError: of a shape that the family has not.
        OverflowError: a number in it is out of its range.
        OSError: a path that is too long.
    """
    if family == AF_INET:
        return _internet(value, call, "AF_INET", "(host, port)", (2,))
    if family == AF_INET6:
        return _internet(value, call, "AF_INET6", "(host, port[, flowinfo[, scope_id]])", (2, 3, 4))
    if family == AF_UNIX:
        return _path(value)
    return plain(value)


def _internet(value: Any, call: str, family: str, shape: str, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise TypeError(f"{call}(): {family} address must be tuple, not {type(value).__name__}")
    if len(value) not in sizes:
        given = "not enough" if len(value) < sizes[0] else "too many"
        raise TypeError(f"{call}(): {given} values: {family} address must be a tuple {shape}")
    host, port, *rest = value
    if not isinstance(host, str | bytes | bytearray):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    if ("\0" if isinstance(host, str) else 0) in host:
        raise TypeError("host name must not contain null character")
    port = index(port)
    if not 0 <= port < _PORTS:
        raise OverflowError(f"{call}(): port must be 0-65535.")
    numbers = [index(each) for each in rest]
    if numbers and not 0 <= numbers[0] < _FLOWS:
        raise OverflowError(f"{call}(): flowinfo must be 0-1048575.")
    # CPython does not look whether a scope fits its 32 bits: it cuts it.
    numbers[1:] = [each % (2 * _INT) for each in numbers[1:]]
    return (bytes(host) if isinstance(host, bytearray) else host, port, *numbers)


def _path(value: Any) -> str | bytes:
    path = value if isinstance(value, str) else readable(value)
    raw = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
    # A name of the abstract namespace may fill the field; a path leaves room for its end.
    if len(raw) > _UNIX_PATH or (len(raw) == _UNIX_PATH and raw[0]):
        raise OSError("AF_UNIX path too long")
    return path


def plain(value: Any) -> Any:
    """A value in which every buffer stands as bytes.

    Raises:
        TypeError: it holds what the wire does not carry.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return readable(value)


def buffers(value: Any, call: str) -> list[bytes]:
    """The buffers that `sendmsg` gathers.

    Raises:
        TypeError: not such.
    """
    return [readable(each) for each in _iterable(value, f"{call} argument 1 must be iterable")]


def writable_buffers(value: Any, call: str) -> list[memoryview]:
    """The buffers that `recvmsg_into` scatters into.

    Raises:
        TypeError: not such.
    """
    items = _iterable(value, f"{call} argument 1 must be an iterable")
    try:
        return [writable(each, call) for each in items]
    except TypeError:
        raise TypeError(
            "recvmsg_into() argument 1 must be an iterable of single-segment read-write buffers"
        ) from None


def ancillary(value: Any) -> list[tuple[int, int, bytes]]:
    """The ancillary data of `sendmsg`.

    Raises:
        TypeError: not such.
    """
    found = []
    for item in _iterable(value, "sendmsg() argument 2 must be iterable"):
        try:
            level, kind, data = item
        except (TypeError, ValueError):
            raise TypeError(
                "[sendmsg() ancillary data items should be sequences of length 3: "
                "(cmsg_level, cmsg_type, cmsg_data)]"
            ) from None
        found.append((integer(level), integer(kind), readable(data)))
    return found


def ancillary_room(value: Any) -> int:
    """How much ancillary data `recvmsg` may receive.

    Raises:
        ValueError: negative, or more than a kernel takes.
    """
    number = size(value)
    if not 0 <= number < _INT:
        raise ValueError("invalid ancillary data buffer length")
    return number


def _iterable(value: Any, otherwise: str) -> Iterable[Any]:
    try:
        return list(value)
    except TypeError:
        raise TypeError(f"{otherwise}, not {type(value).__name__}") from None
