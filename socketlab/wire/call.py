"""Calls on a host's actor, and its answers: JSON lines, many in flight at once.

Theory of operation
    The controller numbers its calls; answers come in the order in which the calls end, each with the number
    of its call. Three lines go to the actor and three come back:

        {"id": 7, "call": "recv", "on": 3, "args": [4096]}      make a call; `on`: the handle it is made on
        {"cancel": 7}                                           nobody waits for it any more
        {"id": 7, "value": {"b": "aGk="}, "at": [12, 34]}       it returned; at: start and end, monotonic ns
        {"id": 7, "raised": ["ConnectionRefusedError", [111, "Connection refused"]], "at": [12, 34]}
        {"id": 7, "refused": ["actor.sockets", {"limit": "512"}]}   the actor would not: no call was made

    The first line of an actor is a `Hello`. This path is measured in microseconds, so these lines are not
    read by `lines.parse`: their length bounds what `json` may take, its own limit their nesting, and every
    member is looked at here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TypeAlias

from socketlab.wire.errors import WireError
from socketlab.wire.values import pack, unpack

CALL_VERSION = 1
LONGEST = 24 * 1024 * 1024
"""Bytes of the longest line: 16 MiB of payload as base64, and its frame."""
_ENDS = ("", "\n")
_decode = json.JSONDecoder().raw_decode


@dataclass(slots=True)
class Call:
    """One call to be made.

    Args:
        id: the caller's number of it.
        name: as the actor's table has it: `recv`, `getaddrinfo`.
        args: positional arguments.
        on: number of the handle it is made on; None: of the module.
    """

    id: int
    name: str
    args: tuple[Any, ...] = ()
    on: int | None = None


@dataclass(slots=True)
class Cancel:
    """Nobody waits for this call any more. It is answered at once by `Refused("call.cancelled")`."""

    id: int


@dataclass(slots=True)
class Hello:
    """The actor's first line.

    Args:
        version: of these lines.
        pid: as seen on its host.
        clock_ns: its monotonic clock when it wrote the line.
        python: version of its interpreter.
    """

    version: int
    pid: int
    clock_ns: int
    python: str


@dataclass(slots=True)
class Value:
    """The call returned.

    Args:
        id: of the call.
        value: what it returned.
        started_ns: when it began, the host's monotonic clock.
        ended_ns: when it was over.
    """

    id: int
    value: Any
    started_ns: int
    ended_ns: int


@dataclass(slots=True)
class Raised:
    """The call raised.

    Args:
        id: of the call.
        exception: name of the Python class.
        args: its arguments; of an OSError errno and text.
        started_ns: when it began, the host's monotonic clock.
        ended_ns: when it was over.
    """

    id: int
    exception: str
    args: tuple[Any, ...]
    started_ns: int
    ended_ns: int


@dataclass(slots=True)
class Refused:
    """The actor made no call: over a limit, no such handle, cancelled.

    Args:
        id: of the call; None: of none, the line could not be read.
        code: key of the sentence, as in `SocketlabError`.
        details: its fields.
    """

    id: int | None
    code: str
    details: dict[str, str]


Request: TypeAlias = Call | Cancel
Answer: TypeAlias = Value | Raised | Refused


def write(message: Request | Answer | Hello) -> bytes:
    """A message as one line, its LF included.

    Raises:
        WireError: it holds what the wire does not carry, or is too long.
    """
    line = _WRITERS[type(message)](message).encode("ascii")
    if len(line) > LONGEST:
        raise WireError("wire-line", limit=LONGEST, seen=len(line))
    return line + b"\n"


def _call(call: Call) -> str:
    args = pack(list(call.args))
    on = "" if call.on is None else f',"on":{call.on:d}'
    return f'{{"id":{call.id:d},"call":{pack(call.name)},"args":{args}{on}}}'


def _cancel(cancel: Cancel) -> str:
    return f'{{"cancel":{cancel.id:d}}}'


def _value(value: Value) -> str:
    return f'{{"id":{value.id:d},"value":{pack(value.value)},"at":[{value.started_ns:d},{value.ended_ns:d}]}}'


def _raised(raised: Raised) -> str:
    what = f"[{pack(raised.exception)},{pack(list(raised.args))}]"
    return f'{{"id":{raised.id:d},"raised":{what},"at":[{raised.started_ns:d},{raised.ended_ns:d}]}}'


def _refused(refused: Refused) -> str:
    details = ",".join(f"{quoted(name)}:{quoted(seen)}" for name, seen in refused.details.items())
    return f'{{"id":{pack(refused.id)},"refused":[{quoted(refused.code)},{{{details}}}]}}'


def _hello(hello: Hello) -> str:
    numbers = f'"hello":{hello.version:d},"pid":{hello.pid:d},"clock":{hello.clock_ns:d}'
    return f'{{{numbers},"python":{quoted(hello.python)}}}'


_WRITERS: dict[type, Callable[[Any], str]] = {
    Call: _call,
    Cancel: _cancel,
    Value: _value,
    Raised: _raised,
    Refused: _refused,
    Hello: _hello,
}


def _members(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST:
        raise WireError("wire-line", limit=LONGEST, seen=len(line))
    try:
        # What `json.loads` does around this takes longer than this: only what is not as expected goes there.
        text = line.decode()
        plain, end = _decode(text)
        whole = text[end:] in _ENDS
    except (ValueError, RecursionError):
        whole = False
    try:
        plain = plain if whole else json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("wire-json", seen=ascii(line[:60]), why=str(error)) from error
    if type(plain) is not dict:
        raise WireError("wire-object", seen=type(plain).__name__)
    return plain


def _integers(*values: Any) -> None:
    for value in values:
        if type(value) is not int:
            raise WireError("wire-type", where="call", expected="int", seen=ascii(value)[:60])


def read_request(line: bytes) -> Request:
    """The request on a line.

    Raises:
        WireError: the line is none.
    """
    plain = _members(line)
    name, args = plain.get("call"), plain.get("args")
    if type(name) is str and type(args) is list and "id" in plain:
        number, on = plain["id"], plain.get("on")
        _integers(number, 0 if on is None else on)
        return Call(number, name, tuple([unpack(each) for each in args]), on)
    if "cancel" in plain:
        _integers(plain["cancel"])
        return Cancel(plain["cancel"])
    raise WireError("wire-message", expected="call | cancel", seen=ascii(plain)[:60])


def read_answer(line: bytes) -> Answer | Hello:
    """The answer on a line.

    Raises:
        WireError: the line is none.
    """
    plain = _members(line)
    if "value" in plain and "id" in plain:  # most are, and `match` takes as long as all else here
        number, at = plain["id"], plain.get("at")
        if type(number) is int and type(at) is list and [type(each) for each in at] == [int, int]:
            return Value(number, unpack(plain["value"]), *at)
    match plain:
        case {"id": number, "value": value, "at": [started, ended]}:
            _integers(number, started, ended)
            return Value(number, unpack(value), started, ended)
        case {"id": number, "raised": [str(name), list(args)], "at": [started, ended]}:
            _integers(number, started, ended)
            return Raised(number, name, tuple(unpack(args)), started, ended)
        case {"id": number, "refused": [str(code), dict(details)]}:
            if number is not None:
                _integers(number)
            return Refused(number, code, {str(key): str(value) for key, value in details.items()})
        case {"hello": version, "pid": pid, "clock": clock, "python": str(python)}:
            _integers(version, pid, clock)
            return Hello(version, pid, clock, python)
    raise WireError("wire-message", expected="value | raised | refused | hello", seen=ascii(plain)[:60])
