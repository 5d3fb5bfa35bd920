"""Frozen dataclasses to and from plain JSON values, strictly.

Theory of operation
    The dataclasses of `socketlab.wire` are their own schema: a field's annotation says what it may hold.
    `to_plain` and `from_plain` know bool, int, float, str, None, bytes, `Literal`, `tuple[T, ...]`, other
    dataclasses, and unions of these. A dataclass with a class variable `kind` writes it as a member, and a
    union of such classes is told apart by it. bytes travel as `{"base64": "..."}`.

    Strict both ways: every member has a field, every field without a default has a member, and no value is
    converted (True is not 1, 1 is not 1.0 unless a float is asked for). What a class refuses in its own
    `__post_init__` it refuses here too, so a decoded message has passed every check a made one has.
"""

import base64
import binascii
import dataclasses
import types
import typing
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from socketlab.wire.errors import WireError

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """A value as `json` takes it.

    Raises:
        WireError: the value's type is none that the wire knows.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        kind = getattr(value, "kind", None)
        return members if kind is None else {"kind": kind, **members}
    name = type(value).__name__
    raise WireError("wire-type", where=name, expected="a type of the wire", seen=name)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return {field.name: typing.get_type_hints(cls)[field.name] for field in dataclasses.fields(cls)}


def from_plain(cls: type[T], plain: object, where: str = "") -> T:
    """A dataclass from what `json` gave.

    Args:
        cls: the class expected.
        plain: a dict, as parsed.
        where: name of the place in the message, for errors.

    Raises:
        WireError: a member is missing, unknown or of the wrong type.
        FaultError: the members make a fault that makes no sense.
    """
    where = where or cls.__name__
    if not isinstance(plain, dict):
        raise WireError("wire-type", where=where, expected="object", seen=type(plain).__name__)
    members = dict(plain)
    kind = getattr(cls, "kind", None)
    if kind is not None and members.pop("kind", None) != kind:
        raise WireError("wire-kind", where=where, expected=kind)
    hints = _hints(cast("Any", cls))
    if unknown := members.keys() - hints.keys():
        raise WireError("wire-unknown", where=where, seen=ascii(min(unknown))[:60])
    values = {name: _value(hints[name], value, f"{where}.{name}") for name, value in members.items()}
    for field in dataclasses.fields(cast("Any", cls)):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise WireError("wire-missing", where=where, expected=field.name)
    return cls(**values)


def _value(hint: Any, plain: object, where: str) -> Any:
    """One member's value, checked against its annotation."""
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _union(get_args(hint), plain, where)
    if not _fits(hint, plain):
        raise WireError("wire-type", where=where, expected=_name(hint), seen=ascii(plain)[:60])
    if origin is tuple:
        item = get_args(hint)[0]
        return tuple(
            _value(item, each, f"{where}[{index}]") for index, each in enumerate(cast("list[Any]", plain))
        )
    if hint is bytes:
        return _bytes(cast("dict[str, str]", plain), where)
    if dataclasses.is_dataclass(hint):
        return from_plain(cast("type", hint), plain, where)
    return float(cast("float", plain)) if hint is float else plain


def _name(hint: Any) -> str:
    """What a reader is told was expected."""
    if get_origin(hint) is Literal:
        return " | ".join(get_args(hint))
    return str(getattr(hint, "kind", None) or getattr(hint, "__name__", hint))


def _fits(choice: Any, plain: object) -> bool:
    """Whether a value has the shape of this choice of a union; what is inside is checked later."""
    if get_origin(choice) is Literal:
        return isinstance(plain, str) and plain in get_args(choice)
    if get_origin(choice) is tuple:
        return isinstance(plain, list)
    if choice is bytes:
        return isinstance(plain, dict) and plain.keys() == {"base64"} and isinstance(plain["base64"], str)
    if dataclasses.is_dataclass(choice):
        return isinstance(plain, dict) and plain.get("kind") == getattr(choice, "kind", None)
    return type(plain) is choice or (choice is float and type(plain) is int)


def _union(choices: tuple[Any, ...], plain: object, where: str) -> Any:
    """A value of the first choice that fits; dataclasses are told apart by their `kind`."""
    for choice in choices:
        if _fits(choice, plain):
            return _value(choice, plain, where)
    expected = " | ".join(map(_name, choices))
    raise WireError("wire-type", where=where, expected=expected, seen=ascii(plain)[:60])


def _bytes(plain: dict[str, str], where: str) -> bytes:
    try:
        return base64.b64decode(plain["base64"].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise WireError("wire-base64", where=where, why=str(error)) from error
