"""Calls as a reader would write them, and what they gave, for events, notes and errors."""

from typing import Any, Final

from socketlab.wire import outcome
from socketlab.wire.values import Handle

_SHOWN: Final = 32
_ITEMS: Final = 8
_DEPTH: Final = 3
_PLAIN: Final = frozenset({int, bool, float, type(None)})


def short(value: Any, depth: int = 0) -> str:
    """A value's repr, of which long bytes, texts and lists show their beginning and their length."""
    if type(value) in _PLAIN:
        return repr(value)
    match value:
        case bytes() | str() if len(value) > 2 * _SHOWN:
            unit = " B" if isinstance(value, bytes) else ""
            text = f"{value[:_SHOWN]!r}...({len(value)}{unit})"
        case Handle():
            text = f"<{value.what} {value.number}>"
        case tuple() | list():
            text = _list(value, depth)
        case dict():
            text = f"{{...{len(value)}}}"
        case _:
            text = repr(value)
    return text


def _list(value: tuple[Any, ...] | list[Any], depth: int) -> str:
    if depth >= _DEPTH:
        return "..."
    items = [short(item, depth + 1) for item in value[:_ITEMS]]
    if len(value) > _ITEMS:
        items.append("...")
    inside = ", ".join(items)
    if isinstance(value, list):
        return f"[{inside}]"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def written(name: str, args: tuple[Any, ...]) -> str:
    """A call: `connect(('10.213.7.10', 7000))`."""
    return f"{name}({', '.join(short(each) for each in args)})"


def returned(value: Any) -> outcome.Returned:
    """What a call returned, as an outcome holds it: what is no plain value stands as its text."""
    if isinstance(value, bytes):
        return outcome.Returned(value if len(value) <= 2 * _SHOWN else short(value))
    if value is None or isinstance(value, bool | int | float | str):
        return outcome.Returned(value)
    return outcome.Returned(short(value))
