"""The messages that cross the wire, and the envelope around them.

Theory of operation
    A message is a frozen dataclass with a class variable `type`; on the wire it is one JSON line
    `{"v": 1, "type": "add", ...}`. The version is of the whole wire: a reader takes its own version only and
    tells the other what it speaks. New messages join `Message`; new members get a default, so that what was
    written before them can still be read.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, cast, get_args

from socketlab.wire.errors import SocketlabError, WireError
from socketlab.wire.event import Event
from socketlab.wire.fault import Fault, Protocol
from socketlab.wire.lease import Holder, Lease
from socketlab.wire.lines import LIMITS, Limits, parse, render
from socketlab.wire.schema import from_plain, to_plain

VERSION = 1


@dataclass(frozen=True, slots=True)
class Ready:
    """A program says that it is ready to be used, and what it is."""

    type: ClassVar[str] = "ready"
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Put a fault in force.

    Args:
        id: chosen by the asker, comes back with the answer.
        fault: the fault.
        seconds: heal it after that long; None: hold it until it is healed.
    """

    type: ClassVar[str] = "add"
    id: int
    fault: Fault
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class List:
    """Which faults are in force?"""

    type: ClassVar[str] = "list"
    id: int


@dataclass(frozen=True, slots=True)
class Heal:
    """Heal one fault.

    Args:
        id: as in `Add`.
        lease: which; None: all but the standing ones.
    """

    type: ClassVar[str] = "heal"
    id: int
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which kinds of fault can this host have?"""

    type: ClassVar[str] = "kinds"
    id: int


@dataclass(frozen=True, slots=True)
class Attach:
    """Stay connected: never hang up on this client for its silence, nor to make room for another."""

    type: ClassVar[str] = "attach"
    id: int


@dataclass(frozen=True, slots=True)
class Attached:
    """The connection now lasts until the client ends it, or the agent ends."""

    type: ClassVar[str] = "attached"
    id: int


@dataclass(frozen=True, slots=True)
class Applied:
    """The fault is in the kernel, read back from there."""

    type: ClassVar[str] = "applied"
    id: int
    lease: Lease


@dataclass(frozen=True, slots=True)
class Leases:
    """The faults in force, or (after `Heal`) those just healed, with their last counts."""

    type: ClassVar[str] = "leases"
    id: int
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    Args:
        name: as the command line has it: `drop`, `reject icmp-host`, `route throw`.
        missing: what this machine lacks for it; None: it can be had.
    """

    name: str
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class KindList:
    """The kinds of fault there are."""

    type: ClassVar[str] = "kind-list"
    id: int
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Detail:
    """One field of an error's sentence."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, for the other side to say.

    Args:
        id: of the request that failed; None: of none, the line could not be read.
        code: key of the sentence.
        details: its fields.
    """

    type: ClassVar[str] = "failure"
    id: int | None
    code: str
    details: tuple[Detail, ...] = ()

    @classmethod
    def of(cls, error: SocketlabError, request: int | None = None) -> "Failure":
        """The message for an error."""
        return cls(request, error.code, tuple(Detail(*item) for item in error.details.items()))


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, as it is streamed."""

    type: ClassVar[str] = "event"
    event: Event


ProgramState: TypeAlias = Literal["listening", "not-listening", "ended", "missing", "directory", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket on which a program waits for peers: TCP in LISTEN, or UDP bound and without a peer.

    Args:
        proto: `tcp` or `udp`.
        address: the local address it is bound to.
        port: the local port.
        loopback_only: whether no other host can reach it.
    """

    proto: Protocol
    address: str
    port: int
    loopback_only: bool

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.proto} {host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramReport:
    """What the runner knows of the learner's program on its host.

    Args:
        program: the file, as it was given to the runner.
        state: how it stands now; the last three are of a file that could not be run.
        listeners: where it waits for peers.
        exit_code: of a program that has ended; negative: the signal that ended it.
        last_lines: the end of what it wrote to standard error, bounded.
        mode: permission bits of a file that the host's user may not read, as `ls` writes them.
    """

    type: ClassVar[str] = "program-report"
    program: str
    state: ProgramState
    listeners: tuple[Listener, ...] = ()
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()
    mode: str | None = None


Message: TypeAlias = (
    Ready
    | Add
    | List
    | Heal
    | Kinds
    | Attach
    | Attached
    | Applied
    | Leases
    | KindList
    | Failure
    | Happened
    | ProgramReport
)
_CLASSES = {cls.type: cls for cls in cast("tuple[type[Message], ...]", get_args(Message))}


def encode(message: Message, limits: Limits = LIMITS) -> bytes:
    """A message as one JSON line, its LF included.

    Raises:
        WireError: it is over a limit.
    """
    return render({"v": VERSION, "type": message.type, **to_plain(message)}, limits)


def decode(line: bytes, limits: Limits = LIMITS) -> Message:
    """The message on one JSON line.

    Raises:
        WireError: the line does not conform.
        FaultError: it carries a fault that makes no sense.
    """
    members = parse(line, limits)
    version = members.pop("v", None)
    if type(version) is not int or version != VERSION:
        raise WireError("wire-version", expected=VERSION, seen=ascii(version)[:60])
    name = members.pop("type", None)
    if not isinstance(name, str) or name not in _CLASSES:
        raise WireError("wire-message", expected=" | ".join(_CLASSES), seen=ascii(name)[:60])
    return from_plain(_CLASSES[name], members, name)


__all__ = [
    "VERSION",
    "Add",
    "Applied",
    "Attach",
    "Attached",
    "Detail",
    "Failure",
    "Happened",
    "Heal",
    "Holder",
    "Kind",
    "KindList",
    "Kinds",
    "Leases",
    "List",
    "Listener",
    "Message",
    "ProgramReport",
    "ProgramState",
    "Ready",
    "decode",
    "encode",
]
