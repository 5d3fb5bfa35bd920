"""What commands and a holder say to each other: JSON lines, without I/O.

Theory of operation
    A command asks, the holder answers, any number of times on one connection:

        {"v": 1, "ask": "act", "host": "server", "action": "pause"}
        {"v": 1, "answer": {...}}
        {"v": 1, "failure": {"kind": "HostError", "code": "...", "details": {...}}}

    After the answer to `actor` or `agent` the connection is the stream to that program: no line follows.
    A failure is a class of `socketlab.errors`, a code and details, so whoever asked says it in their own
    language.
"""

import dataclasses
import ipaddress
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, cast

from socketlab import errors
from socketlab.hosts.plan import LabPlan
from socketlab.wire.errors import SocketlabError, WireError
from socketlab.wire.lines import Limits, parse, render
from socketlab.wire.schema import from_plain

VERSION = 1
REQUEST = Limits(line=4096, depth=4, items=32)
ANSWER = Limits(line=4 * 1024 * 1024, depth=16, items=8192)
"""Room for the plan of a lab with some thousand hosts."""

What: TypeAlias = Literal["about", "states", "actor", "agent", "act", "plug", "link", "down"]
Action: TypeAlias = Literal["pause", "resume", "kill", "stop", "start", ""]
T = TypeVar("T")

_CLASSES: dict[str, type[SocketlabError]] = {
    cls.__name__: cls
    for cls in (
        errors.SpecError,
        errors.BackendError,
        errors.HostError,
        errors.EndedError,
        errors.CallError,
        errors.UsageError,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request.

    Args:
        ask: what for.
        host: which one, of all but `about`, `states` and `down`.
        action: of `act`.
        network: of `plug` and `link`.
        on: of `plug` and `link`: whether it is to be connected, or up.
    """

    ask: What
    host: str = ""
    action: Action = ""
    network: str = ""
    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a holder says of its lab.

    Args:
        name: of the lab.
        backend: that holds it.
        why: that backend, as a sentence.
        pid: the holder's.
        since: when it was opened, seconds since 1970.
        seconds_left: until the holder closes it by itself; None: never.
        agents: hosts whose agent somebody has asked for; another's holds no fault, if it runs at all.
        plan: the lab.
    """

    name: str
    backend: str
    why: str
    pid: int
    since: float
    seconds_left: float | None
    agents: tuple[str, ...]
    plan: LabPlan


def write_ask(ask: Ask) -> bytes:
    """A request as a line."""
    return render({"v": VERSION, **dataclasses.asdict(ask)}, REQUEST)


def read_ask(line: bytes) -> Ask:
    """The request on a line.

    Raises:
        WireError: the line does not conform.
    """
    return from_plain(Ask, _members(line, REQUEST), "ask")


def _members(line: bytes, limits: Limits) -> dict[str, object]:
    members = parse(line, limits)
    version = members.pop("v", None)
    if type(version) is not int or version != VERSION:
        raise WireError("wire-version", expected=VERSION, seen=ascii(version)[:60])
    return members


def write_answer(answer: dict[str, Any]) -> bytes:
    """An answer as a line."""
    return render({"v": VERSION, "answer": answer}, ANSWER)


def write_failure(error: SocketlabError) -> bytes:
    """An error as a line."""
    return render({"v": VERSION, "failure": failure(error)}, ANSWER)


def failure(error: SocketlabError) -> dict[str, Any]:
    """An error as plain values."""
    kind = next((name for name, cls in _CLASSES.items() if isinstance(error, cls)), "EndedError")
    return {"kind": kind, "code": error.code, "details": dict(error.details)}


def read_answer(line: bytes) -> dict[str, Any]:
    """The answer on a line.

    Raises:
        SocketlabError: the one that the holder tells of.
        WireError: the line does not conform.
    """
    match _members(line, ANSWER):
        case {"answer": dict(answer)}:
            return answer
        case {"failure": dict(told)}:
            raise as_error(told)
        case other:
            raise WireError("wire-message", expected="answer | failure", seen=ascii(other)[:60])


def as_error(told: dict[str, Any]) -> SocketlabError:
    """The error that `failure` told of.

    Raises:
        WireError: it told of none, or of one that this version has no sentence for.
    """
    match told:
        case {"kind": str(kind), "code": str(code), "details": dict(details)} if kind in _CLASSES:
            error = _CLASSES[kind](code, **details)
            try:
                str(error)
            except KeyError:
                raise WireError("wire-message", expected="a known failure", seen=ascii(code)[:60]) from None
            return error
    raise WireError("wire-message", expected="failure", seen=ascii(told)[:60])


def plain(value: Any) -> Any:
    """A plan, or a part of one, as `json` takes it: addresses as texts."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, ipaddress._IPAddressBase):  # noqa: SLF001 - the only class that all six descend from
        return str(value)
    return value


def about(told: dict[str, Any]) -> About:
    """What a holder said of its lab.

    Raises:
        WireError: that is not what it said.
    """
    return unplain(About, told)


def unplain(cls: type[T], value: Any) -> T:
    """What `plain` made plain.

    Raises:
        WireError: it did not make that.
    """
    try:
        return cast("T", _read(cls, value))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise WireError("wire-message", expected=cls.__name__, seen=ascii(value)[:60]) from error


def _read(hint: Any, value: Any) -> Any:
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return hint(**{name: _read(hints[name], each) for name, each in value.items()})
    if origin is tuple:
        repeated = arguments[-1] is Ellipsis
        kinds = (arguments[0],) * len(value) if repeated else arguments
        return tuple(_read(kind, each) for kind, each in zip(kinds, value, strict=True))
    if origin in {types.UnionType, typing.Union}:
        return _first(arguments, value)
    if origin is Literal:
        return arguments[arguments.index(value)]
    return _read_one(hint, value)


def _read_one(hint: Any, value: Any) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    is_plain = hint in {bool, int, float, str, types.NoneType}
    # Addresses travel as texts; the classes of `ipaddress` would take numbers, too.
    if type(value) is not (hint if is_plain else str):
        raise TypeError(value)
    return value if is_plain else hint(value)


def _first(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        try:
            return _read(choice, value)
        except (TypeError, ValueError):
            continue
    raise ValueError(value)
