r"""How one value of a fault is typed and shown: `200ms`, `10mbit`, `16kb`, `30%`, `bye\r\n`.

What is shown reads back as the same value, digit for digit: numbers go through decimals, never through a
rounded float. Times are seconds, rates bit/s, sizes bytes. Rates and sizes count in thousands (`kb`, `mbit`);
sizes know powers of two too (`kib`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from socketlab.wire.errors import WordsError

SECONDS: Mapping[str, Decimal] = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
BITS: Mapping[str, Decimal] = {
    "bit": Decimal(1),
    "kbit": Decimal(1_000),
    "mbit": Decimal(1_000_000),
    "gbit": Decimal(1_000_000_000),
}
BYTES: Mapping[str, Decimal] = {
    "b": Decimal(1),
    "kb": Decimal(1_000),
    "mb": Decimal(1_000_000),
    "gb": Decimal(1_000_000_000),
    "kib": Decimal(1 << 10),
    "mib": Decimal(1 << 20),
}
_NUMBER = re.compile(r"(\d{1,20}(?:\.\d{1,40})?)([a-z]*|%)", re.ASCII)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([\\0nrt]))", re.ASCII)
_ESCAPED = {"\\": b"\\", "0": b"\0", "n": b"\n", "r": b"\r", "t": b"\t"}
_PLAIN = {byte: chr(byte) for byte in range(0x20, 0x7F)} | {ord("\\"): "\\\\"}
"""How ASCII's printable characters are shown."""
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a value.

    Args:
        name: what stands for the value in a usage line: `TIME`.
        expected: what a reader is told to write.
        read: the value of a text; None: it is none of this form.
        write: the text of a value.
        types: what stands for itself where a value need not be text (YAML).
        choices: the words that it can be, for completion; none: any.
    """

    name: str
    expected: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    types: tuple[type, ...] = ()
    choices: tuple[str, ...] = ()

    def value(self, text: str, where: str) -> Any:
        """The value of a text.

        Args:
            text: as typed.
            where: what it was typed for, for the error: `--jitter`.

        Raises:
            WordsError: it is none of this form.
        """
        found = self.read(text)
        if found is None:
            raise WordsError("words-value", name=where, expected=self.expected, seen=ascii(text)[:_SHOWN])
        return found

    def taken(self, given: object, where: str) -> Any:
        """The value of what a document gave: a text as typed, or the value itself.

        Raises:
            WordsError: it is none of this form.
        """
        if type(given) in self.types:
            return given
        if isinstance(given, str):
            return self.value(given, where)
        raise WordsError("words-value", name=where, expected=self.expected, seen=ascii(given)[:_SHOWN])


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _read_number(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text)
    return Decimal(found[1]) if found and not found[2] else None


def _read_units(text: str, units: Mapping[str, Decimal], bare: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text.lower())
    unit = units.get(found[2] or bare) if found else None
    return Decimal(found[1]) * unit if found and unit else None


def _read_time(text: str) -> float | None:
    found = _read_units(text, SECONDS, "s")
    return None if found is None else float(found)


def _write_time(seconds: float) -> str:
    exact = Decimal(repr(seconds))
    unit = "s" if exact >= 1 or not exact else "ms" if exact >= SECONDS["ms"] else "us"
    return _plain(exact / SECONDS[unit]) + unit


def _read_whole(text: str, units: Mapping[str, Decimal], bare: str) -> int | None:
    """A number of bits or bytes; there is no half of one."""
    found = _read_units(text, units, bare)
    return None if found is None or found != found.to_integral_value() else int(found)


def _write_rate(rate: int) -> str:
    exact = Decimal(rate)
    unit = max((name for name in BITS if BITS[name] <= exact), key=BITS.__getitem__, default="bit")
    return _plain(exact / BITS[unit]) + unit


def _write_size(size: int) -> str:
    for unit in ("gb", "mb", "kb"):
        if size and size % int(BYTES[unit]) == 0:
            return f"{size // int(BYTES[unit])}{unit}"
    return str(size)


def _read_share(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    if found is None or found[2] not in {"", "%"}:
        return None
    return float(Decimal(found[1]).scaleb(-2) if found[2] else Decimal(found[1]))


def _write_share(share: float) -> str:
    return _plain(Decimal(repr(share)).scaleb(2)) + "%"


def _read_count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,20}", text, re.ASCII) else None


def _read_float(text: str) -> float | None:
    found = _read_number(text)
    return None if found is None else float(found)


def _read_payload(text: str) -> bytes | None:
    r"""Text as UTF-8, and `\xHH`, `\n`, `\r`, `\t`, `\0`, `\\`."""
    data, place = b"", 0
    try:
        for found in _ESCAPE.finditer(text):
            before = text[place : found.start()]
            if "\\" in before:
                return None
            data += before.encode() + (bytes.fromhex(found[1]) if found[1] else _ESCAPED[found[2]])
            place = found.end()
        rest = text[place:]
        return None if "\\" in rest or not text else data + rest.encode()
    except UnicodeEncodeError:  # half a surrogate pair: bytes of a console that were no text
        return None


def _write_payload(data: bytes) -> str:
    return "".join(_PLAIN.get(byte, f"\\x{byte:02x}") for byte in data)


def choice(words: Iterable[str], name: str = "") -> Form:
    """One of some words."""
    known = tuple(words)
    listed = "|".join(known)
    return Form(
        name or listed, " | ".join(known), lambda text: text if text in known else None, choices=known
    )


def named(name: str, expected: str) -> Form:
    """A text that the fault itself looks at: a name, an address, ports, flags."""
    return Form(name, expected, lambda text: text or None)


_TIME_EXPECTED = "200ms | 1.5s | 2m | 1h"
TIME = Form("TIME", _TIME_EXPECTED, _read_time, _write_time, (int, float))
RATE = Form("RATE", "10mbit | 1.5gbit | 64kbit", lambda t: _read_whole(t, BITS, "bit"), _write_rate, (int,))
SIZE = Form("SIZE", "10kb | 16kib | 1mb | 1500", lambda t: _read_whole(t, BYTES, "b"), _write_size, (int,))
SHARE = Form("SHARE", "30% | 0.3", _read_share, _write_share, (int, float))
COUNT = Form("N", "3", _read_count, types=(int,))
NUMBER = Form("NUMBER", "5 | 2.5", _read_float, lambda n: _plain(Decimal(repr(n))), (int, float))
PAYLOAD = Form("TEXT", r"hello | GET\x20/ | \x00\xff | \r\n", _read_payload, _write_payload, (bytes,))
PORT = Form("PORT", "7000 | 7000-7009", lambda text: text or None, types=(int,))
SWITCH = Form("", "true | false", {"true": True, "false": False}.get, types=(bool,))
"""As an option it stands without a value."""


def duration(text: str, where: str = "TIME") -> float:
    """Seconds of `200ms`, `1.5s`, `2m`, `1h` or `1.5`.

    Raises:
        WordsError: it is none of these.
    """
    return float(TIME.value(text, where))


def rate(text: str, where: str = "RATE") -> int:
    """Bit/s of `10mbit`, `1.5gbit` or `64000`.

    Raises:
        WordsError: it is none of these.
    """
    return int(RATE.value(text, where))


def size(text: str, where: str = "SIZE") -> int:
    """Bytes of `10kb` (10,000), `16kib` (16,384) or `1500`.

    Raises:
        WordsError: it is none of these.
    """
    return int(SIZE.value(text, where))
