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
from socketlab.wire.lease import HeldPacket, Holder, Lease, LogEntry, Mechanism, Step
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
        holder: `agent`, or `client`: this connection, with whose end it is healed.
    """

    type: ClassVar[str] = "add"
    id: int
    fault: Fault
    seconds: float | None = None
    holder: Holder = "agent"


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
        by: the mechanism that it would be done by.
    """

    name: str
    missing: str | None = None
    by: Mechanism | None = None


@dataclass(frozen=True, slots=True)
class KindList:
    """The kinds of fault there are."""

    type: ClassVar[str] = "kind-list"
    id: int
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What has the emulator done?

    Args:
        id: as in `Add`.
        lease: of one fault; None: of all.
        after: only entries with a higher number.
        most: so many at most, the oldest first.
    """

    type: ClassVar[str] = "log"
    id: int
    lease: str | None = None
    after: int = 0
    most: int = 500


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of the log.

    Args:
        id: of the request, or of the `Watch`.
        entries: in their order.
        missing: entries that were asked for, and that the bounded log had to forget.
        last: number of the newest entry that there is.
    """

    type: ClassVar[str] = "log-page"
    id: int
    entries: tuple[LogEntry, ...]
    missing: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """Which packets wait for a word?"""

    type: ClassVar[str] = "held"
    id: int
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class HeldPackets:
    """The packets that wait, the oldest first."""

    type: ClassVar[str] = "held-packets"
    id: int
    packets: tuple[HeldPacket, ...]


@dataclass(frozen=True, slots=True)
class Advance:
    """Let one held packet go, or not; answered by `HeldPackets`: those that still wait.

    Args:
        id: as in `Add`.
        packet: its number.
        step: `release` it, `drop` it, or `duplicate` it: release it twice.
    """

    type: ClassVar[str] = "advance"
    id: int
    packet: int
    step: Step = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Tell me as it happens: answered by `Watching`, then by messages with this id until `Unwatch`.

    Args:
        id: as in `Add`.
        leases: send `Leases` when a fault comes or goes, and at most twice a second when counts change.
        log: send `LogPage` with new entries.
        held: send `HeldPackets` when what waits changes.
        capture: send `Captured` with packets that arrive and leave.
        networks: capture only packets between two addresses of these networks; none: all but loopback's.
        snap: capture so many bytes of each packet.
    """

    type: ClassVar[str] = "watch"
    id: int
    leases: bool = False
    log: bool = False
    held: bool = False
    capture: bool = False
    networks: tuple[str, ...] = ()
    snap: int = 262


@dataclass(frozen=True, slots=True)
class Watching:
    """From now on it is told."""

    type: ClassVar[str] = "watching"
    id: int


@dataclass(frozen=True, slots=True)
class Unwatch:
    """Tell me no longer; answered by `Watching` once everything has been told.

    Args:
        id: as in `Add`.
        watch: the id of the `Watch`.
    """

    type: ClassVar[str] = "unwatch"
    id: int
    watch: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A captured packet.

    Args:
        at_ns: when the kernel saw it, nanoseconds of the host's monotonic clock.
        device: the link's name.
        outgoing: whether this host sent it.
        length: bytes on the wire.
        data: the first of them, from the link layer's header.
        leases: faults that bit it, where that is known.
    """

    at_ns: int
    device: str
    outgoing: bool
    length: int
    data: bytes
    leases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Captured:
    """Captured packets.

    Args:
        id: of the `Watch`.
        frames: in their order.
        missing: packets that were lost because nobody took them in time, since the last such message.
    """

    type: ClassVar[str] = "captured"
    id: int
    frames: tuple[Frame, ...]
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Make ready for probes, count them, or clear away; answered by `Probed`.

    Probes are packets from or to a port that no program has. They never count: a twin of the fault, with the
    same selectors narrowed to that port and counters of its own, takes them, without `which`; what the twin
    lets pass ends in a sink behind it, which counts it, so no probe reaches a program.

    Args:
        id: as in `Add`.
        do: `open`, `read` or `close`.
        port: the probes' own source port, TCP and UDP.
        lease: on `open`, whose twin; None: only the sink.
        direction: on `open`, whether the probes arrive at this host or are sent by it.
    """

    type: ClassVar[str] = "probe"
    id: int
    do: Literal["open", "read", "close"]
    port: int
    lease: str | None = None
    direction: Literal["in", "out"] = "in"


@dataclass(frozen=True, slots=True)
class Probed:
    """What became of the probes of one port so far.

    Args:
        id: of the request.
        bitten: by the twin.
        passed: to the sink.
    """

    type: ClassVar[str] = "probed"
    id: int
    bitten: int = 0
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Send:
    """Send an IP packet as it is, from an address of this host; answered by `Sent`. Probes are such."""

    type: ClassVar[str] = "send"
    id: int
    packet: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """The packet is on its way."""

    type: ClassVar[str] = "sent"
    id: int


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
    | Log
    | LogPage
    | Held
    | HeldPackets
    | Advance
    | Watch
    | Watching
    | Unwatch
    | Captured
    | Probe
    | Probed
    | Send
    | Sent
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
    "Advance",
    "Applied",
    "Attach",
    "Attached",
    "Captured",
    "Detail",
    "Failure",
    "Frame",
    "Happened",
    "Heal",
    "Held",
    "HeldPacket",
    "HeldPackets",
    "Holder",
    "Kind",
    "KindList",
    "Kinds",
    "Leases",
    "List",
    "Listener",
    "Log",
    "LogEntry",
    "LogPage",
    "Mechanism",
    "Message",
    "Probe",
    "Probed",
    "ProgramReport",
    "ProgramState",
    "Ready",
    "Send",
    "Sent",
    "Step",
    "Unwatch",
    "Watch",
    "Watching",
    "decode",
    "encode",
]
