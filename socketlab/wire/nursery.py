"""Requests to the nursery and its answers: JSON lines between a controller and the process it started.

Theory of operation
    One request at a time, numbered; each has one answer with its number, and an answer says how many
    descriptors came with it (SCM_RIGHTS). The first line of a nursery is a `Hello`, or a `Failed` with the
    number 0 that says why it cannot work here. Both ends are of one release: what does not conform is a
    mistake of ours, found by looking at every member, and no more than that.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from socketlab.wire.errors import WireError

NURSERY_VERSION = 1
LONGEST = 16 * 1024 * 1024
"""Bytes of the longest line: a lab of some thousands of hosts."""
MOST_DESCRIPTORS = 64
"""That come with one answer."""


@dataclass(slots=True)
class Port:
    """One link of a host.

    Args:
        device: its name on the host.
        bridge: place of its network in `LabSetup.networks`.
        address: IPv4, with the prefix length.
        address6: IPv6, with the prefix length; None: the link has no IPv6 at all.
    """

    device: str
    bridge: int
    address: str
    address6: str | None


@dataclass(slots=True)
class HostSetup:
    """One host: as `HostPlan`, in plain values.

    Args:
        name: its hostname.
        role: host, router or names.
        ports: its links.
        ways: routes, as destination and gateway.
        sysctls: by name.
    """

    name: str
    role: str
    ports: tuple[Port, ...]
    ways: tuple[tuple[str, str], ...]
    sysctls: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class LabSetup:
    """A lab: as `LabPlan`, in plain values."""

    networks: tuple[str, ...]
    hosts: tuple[HostSetup, ...]
    nameserver: str | None
    offload: bool


@dataclass(slots=True)
class Ask:
    """A request.

    Args:
        id: comes back with the answer.
        do: `open`, `close`, `actor`, `agent`, `act`, `plug`, `link`, `states`.
        lab: number of the lab, which the controller gives.
        host: of which host.
        what: the action of `act`, the network of `plug` and `link`.
        on: whether `plug` connects, `link` sets up.
        setup: of `open`.
    """

    id: int
    do: str
    lab: int
    host: str = ""
    what: str = ""
    on: bool = False
    setup: LabSetup | None = None


@dataclass(slots=True)
class Hello:
    """The nursery works.

    Args:
        version: of these lines.
        pid: of the nursery.
        users: how programs become unprivileged: `mapped` (a user of their own), `nested` (in a user namespace
            of their own) or `root` (a user of their own, without a user namespace around).
        environment: of every program on its hosts.
        lacking: what is missing on this machine, by key: `read-only`, `own-proc`, `own-terminals`.
    """

    version: int
    pid: int
    users: str
    environment: dict[str, str]
    lacking: tuple[str, ...]


@dataclass(slots=True)
class Done:
    """A request was done.

    Args:
        id: of the request; 0: of none.
        descriptors: how many came with this line.
        states: of the lab's hosts, of `states`.
    """

    id: int
    descriptors: int = 0
    states: dict[str, str] | None = None


@dataclass(slots=True)
class Failed:
    """A request was not done, and has left nothing.

    Args:
        id: of the request; 0: the nursery cannot work, and ends.
        code: of the error, as in `SocketlabError`.
        details: its fields.
    """

    id: int
    code: str
    details: dict[str, str]


Answer: TypeAlias = Hello | Done | Failed


def _line(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, separators=(",", ":"), check_circular=False).encode("ascii") + b"\n"


def _plain_setup(setup: LabSetup) -> dict[str, Any]:
    hosts = [
        {
            "name": host.name,
            "role": host.role,
            "ports": [[port.device, port.bridge, port.address, port.address6] for port in host.ports],
            "ways": host.ways,
            "sysctls": host.sysctls,
        }
        for host in setup.hosts
    ]
    return {
        "networks": setup.networks,
        "hosts": hosts,
        "nameserver": setup.nameserver,
        "offload": setup.offload,
    }


def write(message: Ask | Answer) -> bytes:
    """A message as one line, its LF included."""
    match message:
        case Ask():
            plain: dict[str, Any] = {"id": message.id, "do": message.do, "lab": message.lab}
            if message.host:
                plain |= {"host": message.host, "what": message.what, "on": message.on}
            if message.setup is not None:
                plain["setup"] = _plain_setup(message.setup)
            return _line(plain)
        case Done():
            plain = {"done": message.id, "descriptors": message.descriptors}
            return _line(plain if message.states is None else {**plain, "states": message.states})
        case Failed():
            return _line({"failed": message.id, "code": message.code, "details": message.details})
        case Hello():
            hello = {"nursery": message.version, "pid": message.pid, "users": message.users}
            return _line({**hello, "environment": message.environment, "lacking": message.lacking})


def _bad(expected: str, seen: object) -> WireError:
    return WireError("wire-message", expected=expected, seen=ascii(seen)[:60])


def _members(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST:
        raise WireError("wire-line", limit=LONGEST, seen=len(line))
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("wire-json", seen=ascii(line[:60]), why=str(error)) from error
    if type(plain) is not dict:
        raise WireError("wire-object", seen=type(plain).__name__)
    return plain


def _text(value: object) -> str:
    if type(value) is not str:
        raise _bad("text", value)
    return value


def _number(value: object) -> int:
    if type(value) is not int:
        raise _bad("number", value)
    return value


def _list(value: object) -> list[Any]:
    if type(value) is not list:
        raise _bad("list", value)
    return value


def _texts(value: object) -> dict[str, str]:
    if type(value) is not dict:
        raise _bad("object", value)
    return {_text(key): _text(each) for key, each in value.items()}


def _pair(value: object) -> tuple[str, str]:
    first, second = _list(value)
    return _text(first), _text(second)


def _port(value: object) -> Port:
    device, bridge, address, address6 = _list(value)
    return Port(_text(device), _number(bridge), _text(address), None if address6 is None else _text(address6))


def _host(value: object) -> HostSetup:
    match value:
        case {"name": str(name), "role": str(role), "ports": ports, "ways": ways, "sysctls": sysctls}:
            return HostSetup(
                name,
                role,
                tuple(_port(each) for each in _list(ports)),
                tuple(_pair(each) for each in _list(ways)),
                tuple(_pair(each) for each in _list(sysctls)),
            )
    raise _bad("host", value)


def _setup(value: object) -> LabSetup:
    match value:
        case {"networks": networks, "hosts": hosts, "nameserver": nameserver, "offload": bool(offload)}:
            return LabSetup(
                tuple(_text(each) for each in _list(networks)),
                tuple(_host(each) for each in _list(hosts)),
                None if nameserver is None else _text(nameserver),
                offload,
            )
    raise _bad("lab", value)


def read_ask(line: bytes) -> Ask:
    """The request on a line.

    Raises:
        WireError: the line is none.
    """
    plain = _members(line)
    match plain:
        case {"id": int(number), "do": str(do), "lab": int(lab)}:
            host, what = _text(plain.get("host", "")), _text(plain.get("what", ""))
            on, setup = plain.get("on", False) is True, plain.get("setup")
            try:
                return Ask(number, do, lab, host, what, on, None if setup is None else _setup(setup))
            except ValueError as error:  # a tuple of another length
                raise _bad(do, str(error)) from error
    raise _bad("do", plain)


def read_answer(line: bytes) -> Answer:
    """The answer on a line.

    Raises:
        WireError: the line is none.
    """
    plain = _members(line)
    match plain:
        case {"done": int(number), "descriptors": int(descriptors)}:
            states = plain.get("states")
            return Done(number, descriptors, None if states is None else _texts(states))
        case {"failed": int(number), "code": str(code), "details": details}:
            return Failed(number, code, _texts(details))
        case {"nursery": int(version), "pid": int(pid), "users": str(users)}:
            lacking = tuple(_text(each) for each in _list(plain.get("lacking", [])))
            return Hello(version, pid, users, _texts(plain.get("environment", {})), lacking)
    raise _bad("nursery | done | failed", plain)
