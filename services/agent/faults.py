"""The faults in force: each a lease with its holder and its end.

Theory of operation
    A fault is done by the first mechanism that says it is its business; whatever that mechanism knows is its
    own. Here is what all faults have in common: bounds, seeds, who holds them and how long, the delay of a
    refusal's answers. A fault is in force altogether or not at all.

    `client` leases are healed when the connection that holds them ends. `agent` leases are kept on disk, for
    the agent that comes after this one. `standing` ones are on the agent's command line.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from services.agent.console import log
from services.agent.emulator.seeds import seeded
from services.agent.kept import Kept, KeptLease
from services.agent.lacking import LACKS
from services.agent.mechanism import Counts, Mechanism
from services.agent.meeting import MAX_ADDRESSES, MAX_LEASES
from services.messages import ServiceError, say
from socketlab.wire.errors import SocketlabError
from socketlab.wire.fault import Fault, Match, Reject, Reset, match_of
from socketlab.wire.lease import Holder, Lease
from socketlab.wire.words import words

Change: TypeAlias = Literal["standing", "applied", "resumed", "healed", "time-up", "holder-gone"]

MAX_SECONDS = 7 * 24 * 3600.0
_AGAIN_SECONDS = 1.0
"""After so long a fault is healed once more that the kernel would not let go."""


class Answers(Protocol):
    """Holds up the ICMP answers of refusals."""

    def begin(self, lease: str, fault: Reject) -> None:
        """Delay the answers of a refusal that is in force.

        Raises:
            ServiceError: the machine cannot.
        """

    def end(self, lease: str) -> None:
        """Delay them no longer; those that wait go out."""


@dataclass(slots=True)
class _Held:
    """A fault in force.

    Args:
        fault: seeds and all.
        mechanism: that does it.
        holder: who holds it.
        client: the connection that does.
        until: when its time is up, by the clock; None: it has no end.
        answers: whether its answers are held up.
        ending: why it is being healed, where that has failed so far.
    """

    fault: Fault
    mechanism: Mechanism
    holder: Holder
    client: int | None
    until: float | None
    answers: bool
    ending: Change = "time-up"


class Faults:
    """Puts faults in force, lists and heals them.

    Args:
        mechanisms: in the order in which they are asked.
        answers: holds up the answers of refusals.
        kept: where leases that the agent holds are kept; None: they end with it.
        tell: is told of each change.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        mechanisms: Sequence[Mechanism],
        answers: Answers,
        kept: Kept | None,
        tell: Callable[[Change, Lease], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mechanisms = mechanisms
        self._answers = answers
        self._kept = kept
        self._tell = tell
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._given = self._tried = 0

    def add(
        self,
        fault: Fault,
        seconds: float | None = None,
        holder: Holder = "agent",
        client: int | None = None,
    ) -> Lease:
        """Put a fault in force; it has been read back from the kernel when this returns.

        Args:
            fault: the fault.
            seconds: heal it after that long; None: hold it.
            holder: who holds it.
            client: the connection that does, if one does.

        Raises:
            ServiceError: it is beyond a limit, or the kernel will not have it.
        """
        self._check(fault, seconds)
        self._given += 1
        change: Change = "standing" if holder == "standing" else "applied"
        return self._add(f"f{self._given}", fault, seconds, holder, client, change)

    def resume(self, entry: KeptLease, seconds: float | None) -> Lease:
        """Put a fault in force again that an agent before this one held, under its id.

        Args:
            entry: what was kept of it.
            seconds: that are left of it; None: it has no end.

        Raises:
            ServiceError: the kernel will not have it any more.
        """
        self._check(entry.fault, seconds)
        number = entry.lease.removeprefix("f")
        if number.isascii() and number.isdigit():
            self._given = max(self._given, int(number))
        if entry.lease in self._held or not number.isdigit():
            return self.add(entry.fault, seconds)
        return self._add(entry.lease, entry.fault, seconds, "agent", None, "resumed")

    def _check(self, fault: Fault, seconds: float | None) -> None:
        if len(self._held) >= MAX_LEASES:
            raise ServiceError("agent.leases", limit=MAX_LEASES)
        match = match_of(fault) or Match()
        if len(match.addresses) > MAX_ADDRESSES:
            raise ServiceError("agent.addresses", limit=MAX_ADDRESSES, seen=len(match.addresses))
        if not match.is_resolved:
            raise ServiceError("agent.unresolved", peer=ascii(match.peer)[:80])
        if seconds is not None and not 0 < seconds <= MAX_SECONDS:
            raise ServiceError("agent.seconds", limit=f"{MAX_SECONDS:.0f}", seen=f"{seconds:g}")

    def _add(
        self,
        lease: str,
        fault: Fault,
        seconds: float | None,
        holder: Holder,
        client: int | None,
        change: Change,
    ) -> Lease:
        fault = seeded(fault)
        held = self._apply(lease, fault)
        held.holder, held.client = holder, client
        held.until = None if seconds is None else self._clock() + seconds
        if holder == "agent" and self._kept is not None and not _is_once(fault):
            try:
                self._kept.keep(lease, fault, seconds)
            except ServiceError:
                self._take_out(lease, held)
                raise
        self._held[lease] = held
        made = self._lease(lease)
        self._tell(change, made)
        return made

    def _apply(self, lease: str, fault: Fault) -> _Held:
        """Put a fault into the kernel, with the delay of its answers."""
        mechanism = self.mechanism_for(fault)
        mechanism.apply(lease, fault)
        if not (isinstance(fault, Reject) and _has_answers(fault)):
            return _Held(fault, mechanism, "agent", None, None, answers=False)
        try:
            self._answers.begin(lease, fault)
        except (SocketlabError, OSError):
            mechanism.remove(lease)
            raise
        return _Held(fault, mechanism, "agent", None, None, answers=True)

    def _take_out(self, lease: str, held: _Held) -> None:
        if held.answers:
            self._answers.end(lease)
            held.answers = False
        held.mechanism.remove(lease)

    def _lease(self, lease: str) -> Lease:
        held = self._held[lease]
        counts = held.mechanism.counts(lease)
        return Lease(
            id=lease,
            fault=held.fault,
            holder=held.holder,
            seconds_left=None if held.until is None else max(0.0, held.until - self._clock()),
            bitten=counts.bitten,
            seen=counts.seen,
            by=held.mechanism.name,
            overflow=counts.overflow,
        )

    def leases(self) -> tuple[Lease, ...]:
        """The faults in force, in the order they came."""
        return tuple(map(self._lease, self._held))

    def counts(self) -> tuple[tuple[str, Counts], ...]:
        """What each fault has done so far."""
        return tuple((lease, held.mechanism.counts(lease)) for lease, held in self._held.items())

    def mechanism_of(self, lease: str) -> Mechanism:
        """What does a fault.

        Raises:
            ServiceError: no fault of that name is in force.
        """
        if lease not in self._held:
            known = " ".join(self._held) or "-"
            raise ServiceError("agent.unknown-lease", seen=ascii(lease)[:60], known=known)
        return self._held[lease].mechanism

    def heal(self, lease: str) -> Lease:
        """Take one fault out.

        Returns:
            The lease as it was last, with its count.

        Raises:
            ServiceError: no fault of that name is in force, or the kernel does not let it go: then it is in
                force still, and may be healed again.
        """
        self.mechanism_of(lease)
        return self._remove(lease, "healed")

    def _remove(self, lease: str, why: Change) -> Lease:
        held = self._held[lease]
        if self._kept is not None:  # first: whatever happens now, nobody wants it again
            self._kept.drop(lease)
        last = self._lease(lease)
        self._take_out(lease, held)
        del self._held[lease]
        self._tell(why, last)
        return last

    def heal_all(self) -> tuple[Lease, ...]:
        """Take out all faults but the standing ones.

        Raises:
            ServiceError: the kernel does not let one of them go; the others are out.
        """
        healed: list[Lease] = []
        failed: ServiceError | None = None
        for lease, held in list(self._held.items()):
            if held.holder == "standing":
                continue
            try:
                healed.append(self.heal(lease))
            except ServiceError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return tuple(healed)

    def _heal_quietly(self, lease: str, why: Change) -> None:
        """Take one fault out that nobody waits for; what does not go now is tried again."""
        try:
            self._remove(lease, why)
        except (ServiceError, OSError) as error:
            log("not-healed", id=lease, fault=words(self._held[lease].fault), why=error)
            self._held[lease].until = self._clock() + _AGAIN_SECONDS
            self._held[lease].ending = why

    def heal_due(self) -> None:
        """Take out the faults whose time is up."""
        now = self._clock()
        for lease, held in list(self._held.items()):
            if held.until is not None and held.until <= now:
                self._heal_quietly(lease, held.ending)

    def heal_of(self, client: int) -> None:
        """Take out the faults that a connection held, which has ended."""
        for lease, held in list(self._held.items()):
            if held.client == client:
                self._heal_quietly(lease, "holder-gone")

    def next_due(self) -> float | None:
        """When the next fault's time is up, by the clock; None: none has an end."""
        return min((held.until for held in self._held.values() if held.until is not None), default=None)

    def try_out(self, example: Fault) -> Iterator[None]:
        """Put a fault in force and take it out again: two steps.

        Raises:
            ServiceError: the kernel will not have it; nothing of it is left.
        """
        self._tried += 1
        lease = f"try{self._tried}"
        held = self._apply(lease, example)
        try:
            yield
        finally:
            self._take_out(lease, held)

    def mechanism_for(self, fault: Fault) -> Mechanism:
        """The mechanism that a fault would be done by.

        Raises:
            ServiceError: none has it as its business.
        """
        for each in self._mechanisms:
            if each.can(fault):
                return each
        raise ServiceError(LACKS, fault=words(fault), why=say("agent.no-mechanism", kind=fault.kind))

    def close(self) -> None:
        """Take everything out, standing ones too, the latest first. What was kept stays kept."""
        for lease, held in reversed(list(self._held.items())):
            with suppress(ServiceError, OSError):
                self._take_out(lease, held)
        self._held.clear()


def _is_once(fault: Fault) -> bool:
    """Whether a fault has done all that it does when it is in force."""
    return isinstance(fault, Reset) and fault.now


def _has_answers(fault: Reject) -> bool:
    """Whether a refusal makes this host's kernel answer by ICMP, and not at once."""
    return fault.answer != "tcp-reset" and fault.delay > 0 and fault.match.direction != "out"
