"""One lab in the nursery: its network, and the first program of each host.

Theory of operation
    All hosts are forked first and set themselves up side by side, while this process makes the bridges. Once
    each has its namespaces all veths are made, in batches; then each gives its links addresses, and hands up
    the stream of its first actor, which is kept for whoever asks first. Whatever fails on the way, all of it
    is taken away again.

    Agents are started when the first one is asked for, all of them then: who bends the network on one host
    mostly does so on another, and so they get ready side by side.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from services.nursery import kernel
from services.nursery.control import Control, Said
from services.nursery.errors import NurseryError
from services.nursery.host import Host
from services.nursery.identity import Users
from services.nursery.network import LabNetwork
from services.nursery.processes import allow_descriptors, end, fork, has_ended
from socketlab.wire.errors import SocketlabError
from socketlab.wire.nursery import HostSetup, LabSetup, Port

_OPEN_SECONDS = 60.0
_ANSWER_SECONDS = 20.0
_SOURCES_OF = {
    "running": ("pause", "kill", "stop"),
    "paused": ("resume", "kill", "stop"),
    "stopped": ("start",),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What all labs of this nursery stand on.

    Args:
        users: how programs become unprivileged.
        home: descriptor of the nursery's own network namespace.
        own_pids: descriptor of its PID namespace.
        settings: descriptor of `/proc/sys`.
        sources: the machine's nsswitch.conf.
        descriptors: how many a program on a host may have, unless it asks for more.
    """

    users: Users
    home: int
    own_pids: int
    settings: int
    sources: str
    descriptors: int


@dataclass(slots=True)
class Member:
    """One host of a lab, as the nursery holds it.

    Args:
        number: its place in the lab.
        setup: what it is to be.
        state: how it stands, as far as is known.
        pid: of its first program, while that lives.
        control: to its first program.
        actor: stream of an actor that nobody has asked for yet; -1: none.
        unplugged: devices without a link.
        down: devices whose link was set down.
    """

    number: int
    setup: HostSetup
    state: str = "stopped"
    pid: int = 0
    control: Control | None = None
    actor: int = -1
    unplugged: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)

    def link_name(self, port: Port) -> str:
        """Name of the other end of a port, on its bridge."""
        return f"h{self.number}p{self.setup.ports.index(port)}"


class Lab:
    """One lab.

    Args:
        setup: all of it.
        machine: where.

    Raises:
        SocketlabError: it is not to be had; nothing of it is left.
        OSError: the same.
    """

    def __init__(self, setup: LabSetup, machine: Machine) -> None:
        self._setup = setup
        self._machine = machine
        self._members = {host.name: Member(number, host) for number, host in enumerate(setup.hosts)}
        self._network: LabNetwork | None = None
        self._has_agents = False
        try:
            members = list(self._members.values())
            for member in members:
                self._fork(member)
            self._network = LabNetwork(len(setup.networks), machine.home, machine.settings)
            self._settle(members)
        except BaseException:
            self.close()
            raise

    def _fork(self, member: Member) -> None:
        """Begin a host."""
        kernel.set_namespace(self._machine.own_pids, kernel.NEW_PIDS)
        kernel.unshare(kernel.NEW_PIDS)
        own, hosts = Control.pair()
        host = Host(hosts, self._setup, member.setup, self._machine.users, self._machine.sources)

        def be_host() -> None:
            allow_descriptors(self._machine.descriptors)
            host.run()

        member.pid = fork(be_host)
        hosts.close()
        member.control = own

    def _settle(self, members: Sequence[Member]) -> None:
        """Bring hosts that have begun to where their first actor is."""
        deadline = time.monotonic() + _OPEN_SECONDS
        for member in members:
            self._answer(member, deadline)
        ports = [
            (member.link_name(port), port, member.pid) for member in members for port in member.setup.ports
        ]
        self._links.connect(ports)
        for member in members:
            _control(member).send({"do": "go"})
        for member in members:
            said = self._answer(member, deadline)
            member.actor = said.descriptors[0]
            member.state = "running"
            member.unplugged.clear()
            member.down.clear()
        self._links.await_carrier(name for name, _port, _pid in ports)

    def _answer(self, member: Member, deadline: float) -> Said:
        return _control(member).answer(max(0.0, deadline - time.monotonic()))

    @property
    def _links(self) -> LabNetwork:
        if self._network is None:
            raise NurseryError("namespace.closed")
        return self._network

    def _member(self, name: str) -> Member:
        member = self._members.get(name)
        if member is None:
            raise NurseryError("namespace.no-host", host=name)
        if member.state != "stopped" and has_ended(member.pid):
            member.pid = 0
            self._forget(member)
        return member

    def _ask(self, member: Member, **words: object) -> Said:
        try:
            return _control(member).ask(words, _ANSWER_SECONDS)
        except TimeoutError as error:  # what it says later would be taken for another answer
            self._end(member)
            raise NurseryError("namespace.host", why=f"{words['do']}: no answer") from error

    def _running(self, name: str, what: str, *states: str) -> Member:
        member = self._member(name)
        if member.state not in states:
            raise NurseryError("namespace.state", host=name, what=what, state=member.state)
        return member

    def actor(self, name: str) -> int:
        """A stream to a new actor; whoever gets it closes it.

        Raises:
            NurseryError: the host does not run.
        """
        member = self._running(name, "actor", "running")
        if member.actor >= 0:
            stream, member.actor = member.actor, -1
            return stream
        return self._ask(member, do="actor").descriptors[0]

    def agent(self, name: str) -> int:
        """A stream to the agent; whoever gets it closes it.

        Raises:
            NurseryError: the host does not run, or its agent does not start.
        """
        member = self._running(name, "agent", "running", "paused")
        if not self._has_agents:
            self._has_agents = True
            for other in self._members.values():
                if other is not member and other.control is not None:
                    with suppress(OSError):
                        other.control.send({"do": "agent-soon"})
        return self._ask(member, do="agent").descriptors[0]

    def act(self, name: str, action: str) -> None:
        """Change the state of a host.

        Raises:
            NurseryError: not from the state that it is in.
        """
        member = self._member(name)
        if action not in _SOURCES_OF[member.state]:
            raise NurseryError("namespace.state", host=name, what=action, state=member.state)
        match action:
            case "pause" | "resume":
                self._ask(member, do=action)
                member.state = "paused" if action == "pause" else "running"
            case "start":
                self._start(member)
            case _:
                if action == "stop":
                    if member.state == "paused":
                        self._ask(member, do="resume")
                    self._ask(member, do="stop")
                self._end(member)

    def _start(self, member: Member) -> None:
        try:
            self._fork(member)
            self._settle([member])
        except BaseException:
            self._end(member)
            raise

    def _end(self, member: Member) -> None:
        """Kill a host, and take its links away once its programs have said their last."""
        if member.pid:
            end([member.pid])
            member.pid = 0
        self._forget(member)

    def _forget(self, member: Member) -> None:
        """Take away what is left of a host whose first program has ended."""
        member.state = "stopped"
        if member.control is not None:
            member.control.close()
            member.control = None
        if member.actor >= 0:
            os.close(member.actor)
            member.actor = -1
        self._links.disconnect([member.link_name(port) for port in member.setup.ports])

    def _ports(self, member: Member, network: str) -> Port:
        for port in member.setup.ports:
            if self._setup.networks[port.bridge] == network:
                return port
        raise NurseryError("namespace.no-network", host=member.setup.name, network=network)

    def plug(self, name: str, network: str, *, connected: bool) -> None:
        """Disconnect a host from a network, or connect it again.

        Raises:
            NurseryError: it is so already, the host is stopped, or has no place on such a network.
        """
        member = self._running(name, "plug", "running", "paused")
        port = self._ports(member, network)
        if connected == (port.device not in member.unplugged):
            raise NurseryError(
                f"namespace.{'plugged' if connected else 'unplugged'}", host=name, network=network
            )
        if connected:
            self._links.connect([(member.link_name(port), port, member.pid)])
            self._ask(member, do="configure", device=port.device)
            self._links.await_carrier([member.link_name(port)])
            member.unplugged.discard(port.device)
        else:
            self._links.disconnect([member.link_name(port)])
            member.unplugged.add(port.device)
            member.down.discard(port.device)

    def link(self, name: str, network: str, *, up: bool) -> None:
        """Set a link down, or up with what it had.

        Raises:
            NurseryError: it is so already, the host is stopped, not on that network, or disconnected from it.
        """
        member = self._running(name, "link", "running", "paused")
        port = self._ports(member, network)
        if port.device in member.unplugged:
            raise NurseryError("namespace.unplugged", host=name, network=network)
        if up == (port.device not in member.down):
            raise NurseryError("namespace.link", host=name, network=network, state="up" if up else "down")
        self._ask(member, do="link", device=port.device, up=up)
        (member.down.discard if up else member.down.add)(port.device)
        if up:
            self._links.await_carrier([member.link_name(port)])

    def states(self) -> dict[str, str]:
        """How each host stands."""
        return {name: self._member(name).state for name in self._members}

    def close(self) -> None:
        """Take all of it away; returns when it is gone."""
        for member in self._members.values():
            if member.control is not None:
                member.control.close()
            if member.actor >= 0:
                os.close(member.actor)
        try:
            end([member.pid for member in self._members.values() if member.pid])
        finally:
            self._members.clear()
            network, self._network = self._network, None
            if network is not None:
                with suppress(SocketlabError):  # the namespace ends with its socket in any case
                    network.close()


def _control(member: Member) -> Control:
    if member.control is None:
        raise NurseryError("namespace.state", host=member.setup.name, what="control", state=member.state)
    return member.control
