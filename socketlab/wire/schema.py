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
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin

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
        members = {name: to_plain(getattr(value, name)) for name in _schema(type(value)).shapes}
        kind = getattr(value, "kind", None)
        return members if kind is None else {"kind": kind, **members}
    name = type(value).__name__
    raise WireError("wire-type", where=name, expected="a type of the wire", seen=name)


class _Shape(NamedTuple):
    """What a place may hold, made of its annotation once.

    Args:
        fits: whether a value has this shape; what is inside is checked by `read`.
        read: makes a member of a value that fits, given its place for errors.
        name: what a reader is told was expected.
    """

    fits: Callable[[object], bool]
    read: Callable[[Any, str], Any]
    name: str


class _Class(NamedTuple):
    """A dataclass as its own schema.

    Args:
        kind: the member that tells it from others; None: there is none.
        shapes: of its fields.
        required: the fields without a default.
    """

    kind: object
    shapes: dict[str, _Shape]
    required: tuple[str, ...]


@cache
def _schema(cls: Any) -> _Class:
    fields = dataclasses.fields(cls)
    hints = typing.get_type_hints(cls)
    required = (
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    shapes = {field.name: _shape(hints[field.name]) for field in fields}
    return _Class(getattr(cls, "kind", None), shapes, tuple(required))


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
    kind, shapes, required = _schema(cast("Any", cls))
    if kind is not None and members.pop("kind", None) != kind:
        raise WireError("wire-kind", where=where, expected=kind)
    if unknown := members.keys() - shapes.keys():
        raise WireError("wire-unknown", where=where, seen=ascii(min(unknown))[:60])
    values = {name: _value(shapes[name], value, f"{where}.{name}") for name, value in members.items()}
    for name in required:
        if name not in values:
            raise WireError("wire-missing", where=where, expected=name)
    return cls(**values)


def _value(shape: _Shape, plain: object, where: str) -> Any:
    """One member's value, checked against its annotation."""
    if not shape.fits(plain):
        raise WireError("wire-type", where=where, expected=shape.name, seen=ascii(plain)[:60])
    return shape.read(plain, where)


@cache
def _shape(hint: Any) -> _Shape:
    """The shape that an annotation means."""
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _union(tuple(map(_shape, get_args(hint))))
    if origin is Literal:
        words = get_args(hint)
        return _Shape(lambda plain: isinstance(plain, str) and plain in words, _as_it_is, " | ".join(words))
    if origin is tuple:
        return _Shape(lambda plain: isinstance(plain, list), _items(_shape(get_args(hint)[0])), "tuple")
    if hint is bytes:
        return _Shape(_is_base64, _bytes, "bytes")
    kind = getattr(hint, "kind", None)
    name = str(kind or getattr(hint, "__name__", hint))
    if dataclasses.is_dataclass(hint):
        cls = cast("type", hint)
        return _Shape(
            lambda plain: isinstance(plain, dict) and plain.get("kind") == kind,
            lambda plain, where: from_plain(cls, plain, where),
            name,
        )
    taken = {float, int} if hint is float else {hint}
    return _Shape(lambda plain: type(plain) in taken, _as_float if hint is float else _as_it_is, name)


def _as_float(plain: Any, _where: str) -> float:
    return float(plain)


def _as_it_is(plain: Any, _where: str) -> Any:
    return plain


def _is_base64(plain: object) -> bool:
    return isinstance(plain, dict) and plain.keys() == {"base64"} and isinstance(plain["base64"], str)


def _items(item: _Shape) -> Callable[[Any, str], Any]:
    def read(plain: list[Any], where: str) -> Any:
        return tuple(_value(item, each, f"{where}[{index}]") for index, each in enumerate(plain))

    return read


def _union(choices: tuple[_Shape, ...]) -> _Shape:
    """A value of the first choice that fits; dataclasses are told apart by their `kind`."""
    name = " | ".join(choice.name for choice in choices)

    def read(plain: object, where: str) -> Any:
        for choice in choices:
            if choice.fits(plain):
                return choice.read(plain, where)
        raise WireError("wire-type", where=where, expected=name, seen=ascii(plain)[:60])

    return _Shape(lambda _plain: True, read, name)


def _bytes(plain: dict[str, str], where: str) -> bytes:
    try:
        return base64.b64decode(plain["base64"].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise WireError("wire-base64", where=where, why=str(error)) from error
