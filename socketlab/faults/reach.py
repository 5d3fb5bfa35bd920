"""The way to one host's agent, and what shall be in force there, whatever becomes of agent and host.

Theory of operation
    An agent is reached when the first fault needs it. What was put in force there is remembered in its
    order. When the stream ends though nobody closed it (the host was restarted, the agent killed), a thread
    reaches the next agent and puts all of it there again; a host that we ourselves have killed is left alone
    until it boots. What cannot be had there any more stays on the list, with the reason.

    What a dead agent has left is undone by the next one: so that one is reached also when nothing is wanted
    of it any more, because the last fault was healed meanwhile.
"""

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from socketlab.errors import AgentError, EndedError, FaultsError, LabError
from socketlab.faults.agents import Agent
from socketlab.hosts.backend import Stream
from socketlab.wire.errors import FaultError
from socketlab.wire.fault import Fault, match_of, with_match
from socketlab.wire.lease import Lease, LogEntry
from socketlab.wire.message import Message

_BACKSTOP: Final = 1.0
"""Seconds by which an agent's own end of a lease comes later: we heal in time, and learn the last count."""
_MOST_SECONDS: Final = 7 * 24 * 3600.0
_PAUSES: Final = (0.05, 0.1, 0.2, 0.4)
_PAUSE: Final = 1.0
"""Between two looks whether an agent is back; nothing tells of a host that somebody else restarts."""
_TRIES: Final = 30
"""So many for an agent that shall do nothing but clear up: its host may have gone for good."""


class Part:
    """A fault of one host's network, as a lease of its agent; after a restart, of the next one's.

    Args:
        reach: to the host's agent.
        fault: with its peers' addresses.
        lasts: seconds that it is in force; None: no end.
    """

    def __init__(self, reach: "Reach", fault: Fault, lasts: float | None) -> None:
        self.reach = reach
        self.fault = fault
        self.until: float | None = None
        self._lasts = lasts
        self.lease: Lease | None = None
        self.trouble: LabError | FaultError | None = None
        self._before = (0, 0, 0)
        self._log: list[LogEntry] = []
        self._read_to = 0
        self.forgotten = 0
        self.began_ns = 0
        self.probe_ports: set[int] = set()
        self.ended_ns: int | None = None

    @property
    def host(self) -> str:
        """Where."""
        return self.reach.host

    @property
    def seconds(self) -> float | None:
        """What its agent is told."""
        if self.until is None:
            return None
        return min(_MOST_SECONDS, max(0.001, self.until - time.monotonic()) + _BACKSTOP)

    def put(self) -> None:
        """Put it in force."""
        self.reach.put(self)

    def take_away(self) -> None:
        """Take it out."""
        self.reach.take_away(self)
        self.ended_ns = time.monotonic_ns()

    def begins(self) -> None:
        """Its agent has been reached: its time runs from now on."""
        self.began_ns = time.monotonic_ns()
        self.until = None if self._lasts is None else time.monotonic() + self._lasts

    def is_now(self, lease: Lease) -> None:
        """It is this lease now, of an agent that may be another one."""
        old, self.lease, self.trouble = self.lease, lease, None
        if old is not None:
            bitten, seen, overflow = self._before
            self._before = bitten + (old.bitten or 0), seen + (old.seen or 0), overflow + old.overflow
        self.fault = lease.fault  # with its seeds
        self._read_to = 0

    def counted(self, lease: Lease) -> None:
        """Its counts are these now."""
        self.lease = lease

    @property
    def bitten(self) -> int | None:
        """Packets it has bitten, as last heard."""
        if self.lease is None or self.lease.bitten is None:
            return None
        return self._before[0] + self.lease.bitten

    @property
    def seen(self) -> int | None:
        """Packets that its match takes, as last heard."""
        return None if self.lease is None or self.lease.seen is None else self._before[1] + self.lease.seen

    @property
    def overflow(self) -> int:
        """Packets lost beside its purpose."""
        return self._before[2] + (self.lease.overflow if self.lease else 0)

    @property
    def is_emulated(self) -> bool:
        """Whether the emulator does it, and keeps a log."""
        return self.lease is not None and self.lease.by == "queue"

    def read_log(self, agent: Agent, *, pages: int | None = None) -> None:
        """Take what is new in its agent's log."""
        if self.lease is None:
            return
        with suppress(AgentError):  # healed before it had any
            self._read_pages(agent, self.lease.id, pages)

    def _read_pages(self, agent: Agent, lease: str, pages: int | None) -> None:
        for _ in itertools.count() if pages is None else range(pages):
            page = agent.log(lease, self._read_to)
            self._log += page.entries
            self.forgotten += page.missing
            if not page.entries:
                return
            self._read_to = page.entries[-1].number

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """What its agents have done, as last read."""
        return tuple(self._log)


class Subscription:
    """A watch on one host, which goes on with its next agent."""

    def __init__(self, told: Callable[[Message], None], wishes: dict[str, Any]) -> None:
        self.told = told
        self.wishes = wishes
        self.number: int | None = None


class Reach:
    """The way to one host's agent.

    Args:
        host: its name.
        dial: gives a stream to its agent.
        tell: told of `again`, `lost` and `failed`, with the part and the reason.
    """

    def __init__(
        self, host: str, dial: Callable[[str], Stream], tell: Callable[[str, Part, str], None]
    ) -> None:
        self.host = host
        self._dial = dial
        self._tell = tell
        self._lock = threading.RLock()
        self._agent: Agent | None = None
        self._parts: list[Part] = []
        self._subscriptions: list[Subscription] = []
        self._down = False
        self._closed = threading.Event()
        self._recovering = False
        self._is_used = False
        """Whether the agent, were it killed now, might leave something of ours."""

    def agent(self) -> Agent:
        """The agent; where the last one is gone, the next one, with everything put there again.

        One that has just been killed may seem to be there still: so the next one is waited for, a moment.

        Raises:
            FaultsError: the host is down, or the agent does not answer.
            HostError: the backend cannot reach it.
        """
        with self._lock:
            for pause in () if self._agent is None else _PAUSES:
                if self._try_agent() or self._closed.wait(pause):
                    break
            return self._reach_agent()

    def _reach_agent(self) -> Agent:
        with self._lock:
            if self._closed.is_set():
                raise FaultsError("faults.closed")
            if self._down:
                raise FaultsError("faults.host-down", host=self.host)
            if self._agent is None or self._agent.ended:
                self._agent = Agent(self._dial(self.host), self.host, self._ended)
                self._is_used = bool(self._parts)
                self._subscribe_again(self._agent)
                self._put_again(self._agent)
            return self._agent

    def _subscribe_again(self, agent: Agent) -> None:
        for each in self._subscriptions:
            each.number = agent.watch(each.told, **each.wishes)

    def _put_again(self, agent: Agent) -> None:
        for part in self._parts:
            if part.until is not None and part.until <= time.monotonic():
                continue
            try:
                part.is_now(agent.add(part.fault, part.seconds))
            except (AgentError, FaultError) as error:
                part.trouble = error
                self._tell("failed", part, str(error))
            else:
                self._tell("again", part, "")

    def _ended(self, agent: Agent) -> None:
        """In the reading thread, which must not wait for anybody."""
        if agent is self._agent and self._is_wanted and not self._recovering:
            self._recovering = True
            threading.Thread(target=self._recover, name=f"recover {self.host}", daemon=True).start()

    @property
    def _is_wanted(self) -> bool:
        """Whether there is to be an agent."""
        has_work = self._parts or self._subscriptions or self._is_used
        return bool(has_work) and not self._down and not self._closed.is_set()

    def _recover(self) -> None:
        try:
            for part in list(self._parts):
                self._tell("lost", part, "")
            pauses = itertools.chain(_PAUSES, itertools.repeat(_PAUSE))
            for number, pause in enumerate(pauses):
                with self._lock:
                    if number == _TRIES and not (self._parts or self._subscriptions):
                        self._is_used = False
                    if not self._is_wanted or self._try_agent():
                        return
                if self._closed.wait(pause):
                    return
        finally:
            self._recovering = False
            if (agent := self._agent) is not None and agent.ended:  # it ended before anybody would hear of it
                self._ended(agent)

    def _try_agent(self) -> bool:
        """Reach the agent, unless it is away still: its host may be on its way up."""
        try:
            self._reach_agent()
        except (LabError, OSError):
            return False
        return True

    def clear_up(self) -> None:
        """If the agent has died, have the next one undo what it left. Tried for a moment only."""
        for pause in (0.0, *_PAUSES):
            if self._closed.wait(pause):
                return
            with self._lock:
                is_gone = self._agent is not None and self._agent.ended
                if not (is_gone and self._is_used and self._is_wanted) or self._try_agent():
                    return

    def put(self, part: Part) -> None:
        """Put a part in force; it is put there again when agent or host come back."""
        with self._lock:
            try:
                agent = self.agent()
                part.begins()
                self._is_used = True
                lease = agent.add(part.fault, part.seconds)
            except AgentError:
                raise
            except (FaultsError, EndedError):
                if self._agent is not None and not self._agent.ended:
                    raise  # it lives, and does not answer
                agent = self.agent()  # it was gone, and nobody had noticed yet
                part.begins()
                self._is_used = True
                lease = agent.add(part.fault, part.seconds)
            part.is_now(lease)
            self._parts.append(part)

    def take_away(self, part: Part) -> None:
        """Take a part out, with its last counts and the end of its log.

        Of what has died with its agent nothing is left when this returns, unless the next one is late.
        """
        with self._lock:
            if part in self._parts:
                self._parts.remove(part)
            agent = self._agent
            if agent is None or part.lease is None:
                return
            if not agent.ended:
                self._heal(agent, part, part.lease.id)
        if agent.ended:
            self.clear_up()

    def _heal(self, agent: Agent, part: Part, lease: str) -> None:
        try:
            part.counted(agent.heal(lease))
            self._is_used = bool(self._parts)
            if part.is_emulated:
                part.read_log(agent, pages=1)
        except AgentError:
            pass  # its time was up there, too
        except FaultsError:
            if not agent.ended:
                agent.close()  # an agent that does not answer heals when it notices that we have gone
                raise

    def peer_moved(self, peer: str, addresses: tuple[str, ...]) -> None:
        """A peer has other addresses now: what is about it is put in force again, about those.

        Args:
            peer: its name.
            addresses: all of them.
        """
        with self._lock:
            for part in self._parts:
                match = match_of(part.fault)
                if match is None or match.peer != peer or set(match.addresses) == set(addresses):
                    continue
                part.fault = with_match(part.fault, dataclasses.replace(match, addresses=addresses))
                agent = self._agent
                if agent is None or agent.ended or part.lease is None:
                    continue  # it is put there again with those
                self._heal(agent, part, part.lease.id)
                try:
                    part.is_now(agent.add(part.fault, part.seconds))
                except (AgentError, FaultError) as error:
                    part.trouble = error
                    self._tell("failed", part, str(error))
                else:
                    self._tell("again", part, "")

    def look(self) -> None:
        """Have the counts of all parts as they are now; while the agent is away, as they were last."""
        with self._lock:
            agent = self._agent
            if agent is None or agent.ended or not self._parts:
                return
            by_id = {lease.id: lease for lease in agent.leases()}
            for part in self._parts:
                if part.lease is not None and part.lease.id in by_id:
                    part.counted(by_id[part.lease.id])

    def read_log(self, part: Part) -> None:
        """Have all of a part's log."""
        with self._lock:
            agent = self._agent
            if agent is not None and not agent.ended and part.is_emulated and part.trouble is None:
                part.read_log(agent)

    def part_of(self, lease: str) -> Part | None:
        """The part that is this lease of the agent."""
        for part in list(self._parts):
            if part.lease is not None and part.lease.id == lease:
                return part
        return None

    def subscribe(self, told: Callable[[Message], None], **wishes: Any) -> Subscription:
        """Watch the agent, and the next ones, until `unsubscribe`."""
        made = Subscription(told, wishes)
        with self._lock:
            made.number = self.agent().watch(told, **wishes)
            self._subscriptions.append(made)
        return made

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a watch; what had happened has been told when this returns."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
            agent = self._agent
            if agent is not None and not agent.ended and subscription.number is not None:
                agent.unwatch(subscription.number)

    def gone(self) -> None:
        """The host has been killed or stopped."""
        self._down = True
        self._is_used = False  # its network namespace has gone, with all that was there
        agent = self._agent
        if agent is not None:
            agent.close()

    def back(self) -> None:
        """The host has been booted."""
        self._down = False
        with self._lock:
            if not (self._parts or self._subscriptions):
                return
            try:
                self.agent()
            except (LabError, OSError):
                if not self._recovering:
                    self._recovering = True
                    threading.Thread(target=self._recover, daemon=True).start()

    def close(self) -> None:
        """Leave the agent; it heals all that was ours."""
        self._closed.set()
        agent = self._agent
        if agent is not None:
            agent.close()
