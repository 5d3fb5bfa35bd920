"""What commands and a holder say to each other: JSON lines, without I/O.

Theory of operation
    A command asks, the holder answers, any number of times on one connection:

        {"v": 1, "ask": "act", "host": "server", "action": "pause"}
        {"v": 1, "answer": {...}}
        {"v": 1, "failure": {"kind": "HostError", "code": "...", "details": {...}}}

    After the answer to `actor` or `agent` the connection is the stream to that program: no line follows.
    `fault` carries what it is about in `fault`; after the answer to its `watch` the connection brings a line
    `{"v": 1, "answer": {"leases": ..., "log": ..., "held": ...}}` whenever one of these changes.
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
from socketlab.wire.errors import FaultError, SocketlabError, WireError, WordsError
from socketlab.wire.lease import Step
from socketlab.wire.lines import Limits, parse, render
from socketlab.wire.schema import from_plain, to_plain

VERSION = 1
REQUEST = Limits(line=16 * 1024, depth=4, items=64)
"""Room for the words of a fault that looks for bytes."""
ANSWER = Limits(line=4 * 1024 * 1024, depth=16, items=8192)
"""Room for the plan of a lab with some thousand hosts."""

What: TypeAlias = Literal["about", "states", "actor", "agent", "act", "plug", "link", "fault", "down"]
Action: TypeAlias = Literal["pause", "resume", "kill", "stop", "start", ""]
FaultOp: TypeAlias = Literal["add", "list", "heal", "log", "held", "step", "kinds", "watch"]
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
        errors.FaultsError,
        errors.AgentError,
        errors.NotProvenError,
        WireError,
        FaultError,
        WordsError,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAsk:
    """A request about a lab's faults.

    Args:
        op: what is to be done.
        words: of `add`: the fault's.
        host: of `add`: on which, none for a fault of the lab; of `list`, `heal`, `kinds`: only of this one.
        seconds: of `add`: heal it after that long; None: hold it until it is healed.
        verify: of `add`: prove that it bites.
        lease: of `heal`, `log`, `held` and `step`: which; None: all.
        packet: of `step`: the number of a held packet.
        step: of `step`: what becomes of it.
        after: of `log`: only entries with a higher number.
        most: of `log`: so many at most, the newest.
    """

    op: FaultOp
    words: tuple[str, ...] = ()
    host: str | None = None
    seconds: float | None = None
    verify: bool = False
    lease: str | None = None
    packet: int = 0
    step: Step = "release"
    after: int = 0
    most: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAbout:
    """A fault that a holder holds.

    Args:
        id: its name in the lab.
        fault: its words.
        hosts: that it is on.
        seconds_left: until it is healed; None: no limit.
        bitten: packets it has bitten; None: nobody counts them.
        seen: packets that its match takes; None: nobody counts them.
        overflow: packets that were lost beside its purpose.
        by: the mechanisms; none for what no agent does.
        trouble: why a part of it is not in force now; None: all of it is.
    """

    id: str
    fault: str
    hosts: tuple[str, ...]
    seconds_left: float | None = None
    bitten: int | None = None
    seen: int | None = None
    overflow: int = 0
    by: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAbout:
    """A packet that waits for a word.

    Args:
        host: where.
        lease: the fault that holds it, as the lab names it.
        number: its name in `step`, unique on its host.
        at_ns: when it came, nanoseconds of the host's monotonic clock.
        flow: `tcp 10.0.0.2:4711 > 10.0.0.1:7000`.
        summary: `[S] seq 17 length 0`.
        length: bytes, IP header included.
    """

    host: str
    lease: str
    number: int
    at_ns: int
    flow: str
    summary: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request.

    Args:
        ask: what for.
        host: which one, of all but `about`, `states` and `down`.
        action: of `act`.
        network: of `plug` and `link`.
        on: of `plug` and `link`: whether it is to be connected, or up.
        fault: of `fault`: what about it.
    """

    ask: What
    host: str = ""
    action: Action = ""
    network: str = ""
    on: bool = True
    fault: FaultAsk | None = None


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
    return render({"v": VERSION, **to_plain(ask)}, REQUEST)


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
    found = [name for name, cls in _CLASSES.items() if isinstance(error, cls)]
    # The nearest one: a class that descends from another stands behind it.
    kind = found[-1] if found else "EndedError"
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
