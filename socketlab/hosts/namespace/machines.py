"""A lab in the nursery's hands."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from socketlab.errors import BackendError, EndedError
from socketlab.hosts.backend import Action, HostState
from socketlab.hosts.namespace.stream import SocketStream
from socketlab.hosts.plan import HostPlan, LabPlan
from socketlab.wire.nursery import Ask, HostSetup, LabSetup, Port

if TYPE_CHECKING:
    from socketlab.hosts.namespace.nursery import Nursery


def setup_of(plan: LabPlan) -> LabSetup:
    """A plan as the nursery takes it."""
    networks = tuple(network.name for network in plan.networks)
    nameserver = None if plan.nameserver is None else str(plan.nameserver)
    hosts = tuple(_host(host, networks) for host in plan.hosts)
    return LabSetup(networks, hosts, nameserver, plan.offload)


def _host(host: HostPlan, networks: tuple[str, ...]) -> HostSetup:
    ports = tuple(
        Port(
            each.device,
            networks.index(each.network),
            str(each.address),
            None if each.address6 is None else str(each.address6),
        )
        for each in host.interfaces
    )
    ways = tuple((str(way.to), str(way.via)) for way in host.ways)
    return HostSetup(host.name, host.role, ports, ways, host.sysctls)


class NamespaceMachines:
    """A lab.

    Args:
        plan: what was made.
        nursery: who made it.
        number: of the lab, as the nursery knows it.
    """

    def __init__(self, plan: LabPlan, nursery: "Nursery", number: int) -> None:
        self.plan = plan
        self._nursery = nursery
        self._number = number
        self._closed = False

    def _ask(self, do: str, host: str = "", what: str = "", *, on: bool = False) -> Any:
        if self._closed:
            raise EndedError("namespace.closed")
        return self._nursery.ask(Ask(0, do, self._number, host, what, on))

    def _stream(self, do: str, host: str) -> SocketStream:
        _done, connection = self._ask(do, host)
        if connection is None:
            raise BackendError("namespace.failed", why=f"{do}: no stream")
        return SocketStream(connection, host)

    def actor(self, host: str) -> SocketStream:
        """A stream to a new actor on a host.

        Raises:
            HostError: the host does not run.
        """
        return self._stream("actor", host)

    def agent(self, host: str) -> SocketStream:
        """A stream to the host's agent, which is started where none runs.

        Raises:
            HostError: the host does not run, or its agent does not start.
        """
        return self._stream("agent", host)

    def act(self, host: str, action: Action) -> None:
        """Change a host's state; returns when it has changed.

        Raises:
            HostError: it makes no sense in the state that the host is in.
        """
        self._ask("act", host, action)

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect a host from a network, or connect it again with the same addresses and routes.

        Raises:
            HostError: it is so already, the host is stopped, or has no place on that network.
        """
        self._ask("plug", host, network, on=connected)

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Set a host's link to a network down, or up again with the routes that it had.

        Raises:
            HostError: it is so already, the host is stopped, or not connected to that network.
        """
        self._ask("link", host, network, on=up)

    def states(self) -> dict[str, HostState]:
        """How each host stands, asked now."""
        done, _connection = self._ask("states")
        return cast("dict[str, HostState]", dict(done.states or {}))

    def close(self) -> None:
        """Remove all of it; returns when it is gone. Any number of times."""
        if self._closed:
            return
        self._closed = True
        with suppress(EndedError):  # and the lab with it
            self._nursery.ask(Ask(0, "close", self._number))
