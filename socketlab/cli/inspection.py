"""What `status` finds out about each host of a lab, all hosts at once and none for longer than a deadline.

Theory of operation
    Each running host gets an actor of its own for a moment: how long that answers is its health, its clock
    gives the offset, and it reads the kernel's table of sockets. The agent tells of the faults in force. A
    host that does not answer costs the deadline and nothing more: whoever asked it is left behind.
"""

import queue
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from socketlab.holder.client import HeldMachines, HeldStream
from socketlab.holder.protocol import FaultAbout, FaultAsk, unplain
from socketlab.hosts.backend import HostState
from socketlab.messages import say
from socketlab.sockets import Actor
from socketlab.wire.errors import SocketlabError, WireError
from socketlab.wire.lease import Lease
from socketlab.wire.lines import Limits, LineBuffer
from socketlab.wire.message import Failure, Leases, List, decode, encode

HOST_SECONDS: Final = 5.0
_AGENT_LINE: Final = Limits(line=4 * 1024 * 1024)


@dataclass(slots=True)
class Found:
    """What is known of one host.

    Args:
        state: as the backend says.
        answer_ms: how long its actor takes for a call; None: it was not asked, or did not answer.
        offset_ms: of its monotonic clock to ours.
        offset_error_ms: how far that may be wrong.
        sockets: as the actor's `sockets` gives them; None: not known.
        faults: in force, but those of the lab's holder; None: not known.
        held: in force, by the lab's holder.
        problem: why something is not known.
    """

    state: HostState
    answer_ms: float | None = None
    offset_ms: float | None = None
    offset_error_ms: float | None = None
    sockets: list[dict[str, Any]] | None = None
    faults: list[Lease] | None = None
    held: tuple[FaultAbout, ...] = ()
    problem: str | None = None


def inspect(machines: HeldMachines, *, seconds: float = HOST_SECONDS) -> dict[str, Found]:
    """Ask all hosts.

    Args:
        machines: the lab.
        seconds: how long a host may take.
    """
    states = machines.states()
    found = {host.name: Found(states[host.name]) for host in machines.plan.hosts}
    done: queue.SimpleQueue[tuple[str, Found]] = queue.SimpleQueue()
    asked = [host for host, each in found.items() if each.state == "running"]
    for host in asked:
        threading.Thread(target=_ask, args=(machines, host, done), daemon=True).start()
    deadline = time.monotonic() + seconds
    waiting = set(asked)
    while waiting:
        try:
            host, each = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[host] = each
        waiting.discard(host)
    for host in waiting:
        found[host].problem = say("cli.status.silent", seconds=f"{seconds:g}")
    _add_held(machines, found)
    return found


def _add_held(machines: HeldMachines, found: dict[str, Found]) -> None:
    """The faults that the lab's holder holds; agents know them, too, by other ids."""
    told = machines.fault(FaultAsk(op="list"))
    held = [unplain(FaultAbout, each) for each in told["leases"]]
    for host, each in found.items():
        each.held = tuple(lease for lease in held if host in lease.hosts)
        parts = told["parts"].get(host, ())
        if each.faults is not None:
            each.faults = [lease for lease in each.faults if lease.id not in parts]


def _ask(machines: HeldMachines, host: str, done: "queue.SimpleQueue[tuple[str, Found]]") -> None:
    found = Found("running")
    try:
        _ask_actor(machines, host, found)
        # An agent that nobody has asked for holds no fault, and starting one is no part of looking.
        found.faults = leases(machines.agent(host)) if host in machines.about.agents else []
    except (SocketlabError, OSError) as error:
        found.problem = str(error)
    done.put((host, found))


def _ask_actor(machines: HeldMachines, host: str, found: Found) -> None:
    actor = Actor(machines.actor(host), host=host)
    try:
        started = time.perf_counter()
        actor.call("clock")
        found.answer_ms = (time.perf_counter() - started) * 1e3
        found.offset_ms = actor.offset_ns / 1e6
        found.offset_error_ms = actor.offset_error_ns / 1e6
        found.sockets = actor.call("sockets")
    finally:
        actor.close()


def leases(stream: HeldStream, seconds: float = HOST_SECONDS) -> list[Lease]:
    """The faults in force, as the agent at the other end has them.

    Raises:
        SocketlabError: it ended, or said something else.
        TimeoutError: it said nothing.
    """
    lines = LineBuffer(_AGENT_LINE.line)
    try:
        stream.send(encode(List(1)))
        while data := stream.receive(seconds):
            for line in lines.feed(data):
                match decode(line, _AGENT_LINE):
                    case Leases(leases=found):
                        return list(found)
                    case Failure(code=code):
                        raise WireError("wire-message", expected="leases", seen=code)
    finally:
        stream.close()
    raise WireError("wire-message", expected="leases", seen="the end")
