"""Where probes come from and where they end: who can send one to whom, from which port, and the sink.

A sink takes the probes of one port on one host, before it the twin of a fault (`wire.message.Probe`).
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from socketlab.errors import AgentError, FaultsError
from socketlab.faults import probes
from socketlab.faults.agents import Agent
from socketlab.hosts.plan import HostPlan, LabPlan
from socketlab.wire.match import Family, Match
from socketlab.wire.message import Probed

if TYPE_CHECKING:
    from socketlab.faults.board import Board

Way: TypeAlias = Literal["in", "out"]
_FROM: Final = 61_000
_PORTS: Final = 3_900
"""Above what Linux gives to clients (32768-60999), so that no program has one of these by chance."""
_SECONDS: Final = 3.0
"""Within which a probe has arrived that will."""
_AGAIN: Final = 0.001


class Ends(NamedTuple):
    """Who sends a probe to whom.

    Args:
        sender: host.
        source: its address.
        receiver: host.
        target: its address.
    """

    sender: HostPlan
    source: str
    receiver: HostPlan
    target: str


def ends_for(
    plan: LabPlan, host: str, match: Match, family: Family, way: Way, *, within: bool = True
) -> Ends | None:
    """Who could send a probe to whom: one of the two is the host, the other fits the match's peer.

    Args:
        plan: of the lab.
        host: that the fault is on.
        match: its.
        family: of the addresses.
        way: whether probes arrive at the host.
        within: whether the other one is to fit the match's peer, or not to.
    """
    own = plan.host(host)
    for other in sorted(plan.hosts, key=lambda each: not _share(own, each)):
        if other.name == host:
            continue
        for mine, theirs in _pairs(own, other, family):
            fits = match.peer is None or any(theirs in net for net in match.networks)
            if fits == within:
                ends = (
                    (other, str(theirs), own, str(mine))
                    if way == "in"
                    else (own, str(mine), other, str(theirs))
                )
                return Ends(*ends)
    return None


def _share(one: HostPlan, other: HostPlan) -> bool:
    return bool({each.network for each in one.interfaces} & {each.network for each in other.interfaces})


def _pairs(one: HostPlan, other: HostPlan, family: Family) -> Iterator[tuple[object, object]]:
    """Their addresses, those on a network of both first."""
    found = []
    for mine in one.interfaces:
        for theirs in other.interfaces:
            first, second = (
                (mine.address, theirs.address) if family == "ipv4" else (mine.address6, theirs.address6)
            )
            if first is not None and second is not None:
                found.append((mine.network != theirs.network, first.ip, second.ip))
    for _apart, first_ip, second_ip in sorted(found, key=lambda each: each[0]):
        yield first_ip, second_ip


class Sink:
    """Where probes of one port end, on one host.

    Args:
        agent: of that host.
        port: the probes' own.
        way: whether they arrive there, or are sent by it.
        stack: closes it, whatever happens.
    """

    def __init__(self, agent: Agent, port: int, way: Way, stack: ExitStack) -> None:
        self._agent = agent
        self._port = port
        self._way = way
        self._open = False
        stack.callback(self.close)

    def open(self, lease: str | None = None) -> None:
        """Make it, before it the twin of a fault."""
        self.close()
        self._agent.open_probe(self._port, self._way, lease)
        self._open = True

    def read(self) -> Probed:
        """What has come so far."""
        return self._agent.read_probe(self._port)

    def until(self, enough: Callable[[Probed], bool], seconds: float = _SECONDS) -> Probed:
        """What has come, once it is enough or time is up; no event tells of a packet that was counted."""
        deadline = time.monotonic() + seconds
        while not enough(seen := self.read()) and time.monotonic() < deadline:
            time.sleep(_AGAIN)
        return seen

    def close(self) -> None:
        """Clear it away. Any number of times."""
        if self._open:
            self._open = False
            try:
                self._agent.close_probe(self._port)
            except FaultsError:
                if not self._agent.ended:  # its end clears away what was ours
                    raise


def free_port(board: "Board", match: Match, sender: str, way: Way, fault: str) -> int:
    """A port for probes that no program of their sender has.

    Raises:
        FaultsError: the match takes only ports that programs have.
    """
    bound = probes.own_ports(match, way)
    taken = () if match.port is None else (match.port,)
    if bound is None:
        start = secrets.randbelow(_PORTS)
        return next(
            port
            for number in range(_PORTS)
            if (port := _FROM + (start + number) % _PORTS)
            and not any(str(port) in str(each) for each in taken)
        )
    rows = board.lab[sender].sockets()
    used = {row["local"][1] for row in rows if isinstance(row.get("local"), tuple | list)}
    for port in range(bound[0], bound[1] + 1):
        if port not in used:
            return port
    raise FaultsError("faults.cannot-prove-ports", fault=fault, host=sender)


def error_name(error: AgentError) -> str | None:
    """The kernel's errno behind an agent's no; None: it was none of the kernel's."""
    return error.details.get("errno") if error.code == "agent.send" else None
