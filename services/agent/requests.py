"""Requests of a controller, answered. A line comes in, a line goes out; what takes long is done in steps."""

from collections.abc import Iterator
from typing import Protocol

from services.agent.faults import Faults
from services.agent.lacking import LACKS
from services.agent.meeting import ANSWER, REQUEST
from services.agent.probes import Probes
from services.agent.sending import send
from services.agent.watching import PacketLog, Watches
from services.messages import ServiceError
from socketlab.wire.errors import SocketlabError
from socketlab.wire.fault import Fault
from socketlab.wire.lease import Lease, Mechanism, Step
from socketlab.wire.message import (
    Add,
    Advance,
    Applied,
    Attach,
    Attached,
    Failure,
    Heal,
    Held,
    HeldPackets,
    Kind,
    KindList,
    Kinds,
    Leases,
    List,
    Log,
    LogPage,
    Message,
    Probe,
    Send,
    Sent,
    Unwatch,
    Watch,
    decode,
    encode,
)

MOST_ENTRIES = 500
"""Entries of the log in one answer."""


class Asker(Protocol):
    """A client, as requests see it."""

    @property
    def number(self) -> int:
        """Its name, unique for the life of the agent."""

    def attach(self) -> None:
        """Let it stay from now on.

        Raises:
            ServiceError: there is no room for one more.
        """


class Packets(PacketLog, Protocol):
    """What requests see of the emulator."""

    def advance(self, number: int, step: Step) -> None:
        """Let one held packet go, or not.

        Raises:
            ServiceError: no packet of that number waits.
        """


def line_of(message: Message) -> bytes:
    """A message as the agent writes it."""
    return encode(message, ANSWER)


def failure(error: SocketlabError, request: int | None = None) -> bytes:
    """The line that tells of an error."""
    return line_of(Failure.of(error, request))


class Requests:
    """The desk that serves all clients.

    Args:
        faults: the faults in force.
        packets: the emulator.
        probes: of all clients.
        watches: of all clients.
    """

    def __init__(self, faults: Faults, packets: Packets, probes: Probes, watches: Watches) -> None:
        self._faults = faults
        self._packets = packets
        self._probes = probes
        self._watches = watches

    def serve(self, client: Asker, line: bytes) -> Iterator[bytes | None]:
        """Do what a line asks for, in steps: None after each but the last, then what is answered at once."""
        request: int | None = None
        try:
            message = decode(line, REQUEST)
            request = getattr(message, "id", None)
            if isinstance(message, Kinds):
                yield from self._kinds(message)
                return
            done = self._do(message, client)
            answer = line_of(done) if done is not None else b""
        except SocketlabError as error:
            answer = failure(error, request)
        except OSError as error:  # a socket or a file that a mechanism needs
            refused = ServiceError("agent.refused", why=error.strerror or error)
            answer = failure(refused, request)
        yield answer

    def _do(self, message: Message, client: Asker) -> Message | None:
        """Do one thing; None: it is answered later, as news."""
        match message:
            case Add() | List() | Heal():
                return self._do_with_faults(message, client)
            case Log() | Held() | Advance():
                return self._do_with_packets(message)
            case Probe():
                return self._probes.do(client.number, message)
            case Send(id=number, packet=packet):
                send(packet)
                return Sent(number)
        return self._do_with_client(message, client)

    def _do_with_client(self, message: Message, client: Asker) -> Message | None:
        match message:
            case Attach(id=number):
                client.attach()
                return Attached(number)
            case Watch():
                client.attach()
                return self._watches.watch(client.number, message)
            case Unwatch():
                self._watches.unwatch(client.number, message)
                return None
        raise ServiceError("agent.no-request", seen=message.type)

    def _do_with_faults(self, message: Add | List | Heal, client: Asker) -> Message:
        match message:
            case Add(fault=fault, seconds=seconds, holder=holder):
                return Applied(message.id, self._add(client, fault, seconds, holder))
            case Heal(lease=None):
                return Leases(message.id, self._faults.heal_all())
            case Heal(lease=str(lease)):
                return Leases(message.id, (self._faults.heal(lease),))
        return Leases(message.id, self._faults.leases())

    def _add(self, client: Asker, fault: Fault, seconds: float | None, holder: str) -> Lease:
        if holder == "client":
            client.attach()
            return self._faults.add(fault, seconds, "client", client.number)
        if holder != "agent":
            raise ServiceError("agent.holder", seen=holder)
        return self._faults.add(fault, seconds)

    def _do_with_packets(self, message: Log | Held | Advance) -> Message:
        match message:
            case Log(id=number, lease=lease, after=after, most=most):
                entries, missing, last = self._packets.log(lease, after, max(1, min(most, MOST_ENTRIES)))
                if not entries and not after:  # a healed fault's log can be read for as long as it is kept
                    self._know(lease)
                return LogPage(number, entries, missing, last)
            case Held(lease=lease):
                self._know(lease)
                return HeldPackets(message.id, self._packets.held(lease))
            case Advance(packet=packet, step=step):
                self._packets.advance(packet, step)
        return HeldPackets(message.id, self._packets.held(None))

    def _know(self, lease: str | None) -> None:
        if lease is not None:
            self._faults.mechanism_of(lease)

    def _kinds(self, asked: Kinds) -> Iterator[bytes | None]:
        """Each kind, tried in the kernel on addresses that nobody has; packets go by in between."""
        from services.agent.kinds import EXAMPLES, UNTRIED  # noqa: PLC0415 - 5 ms, for who asks for it

        kinds: list[Kind] = []
        for name, example in EXAMPLES.items():
            by: Mechanism | None = None
            missing: str | None = None
            try:
                by = self._faults.mechanism_for(example).name
                for _ in () if name in UNTRIED else self._faults.try_out(example):
                    yield None
            except ServiceError as error:
                missing = str(error.details["why"]) if error.code == LACKS else None
            kinds.append(Kind(name, missing, by))
            yield None
        yield line_of(KindList(asked.id, tuple(kinds)))

    def news(self, client: int) -> bytes | None:
        """The next line that a client is told unasked; None: there is none."""
        return self._watches.next_line(client)

    def news_due(self, client: int) -> float | None:
        """When there may be such, by the monotonic clock; None: an event will tell."""
        return self._watches.next_due(client)

    def gone(self, client: int) -> None:
        """Heal what a client held, forget what it watched and probed."""
        self._watches.gone(client)
        self._probes.gone(client)
        self._faults.heal_of(client)
