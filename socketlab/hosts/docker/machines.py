"""A lab in the engine's hands: streams to its programs, and what can be done to its hosts.

Theory of operation
    A host is a container whose own program does nothing; an actor is an exec in it whose streams are held
    open. Agents are sidecars in the hosts' network namespaces, and alone have NET_ADMIN: what the engine has
    no option for is done there, by `services.container.network`: offloads off, ways by routers, and no
    default route, which engines before 26 give to internal networks as well. An agent costs almost as much as
    a host, so they are made when the first is asked for, all of the lab at once: a packet is a segment only
    when every host's link has its offloads off. They are made with their hosts in a lab with routers, or if
    asked for.

    What the engine forgets is put back here: a host that starts again gets its further networks, its routes
    and its agent; a link that comes up again the addresses and routes that it had.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from socketlab.errors import BackendError, HostError
from socketlab.hosts.backend import Action, HostState
from socketlab.hosts.docker import programs, recipe
from socketlab.hosts.docker.engine import Engine, EngineError
from socketlab.hosts.docker.ownership import ONE, owner
from socketlab.hosts.docker.removal import labelled, raise_first, remove, together
from socketlab.hosts.docker.streams import ExecStream
from socketlab.hosts.plan import HostPlan, Interface, LabPlan

_STATES: dict[str, HostState] = {"running": "running", "paused": "paused", "restarting": "stopped"}
ALLOWED: dict[Action, tuple[HostState, ...]] = {
    "pause": ("running",),
    "resume": ("paused",),
    "kill": ("running", "paused"),
    "stop": ("running", "paused"),
    "start": ("stopped",),
}
"""In which states an action makes sense."""
_NO_IMAGE = 404
_ACTOR_SECONDS = 30.0


class DockerMachines:
    """A lab of containers (`socketlab.hosts.backend.Machines`).

    Args:
        engine: where it is.
        plan: what it is.
        labels: on all that it owns; `ONE` tells it apart.
        networks: ids of its networks, by their names in the plan.
        names: their names on the engine, by the same.
        eager: whether each host's agent is made with it.
    """

    def __init__(
        self,
        engine: Engine,
        plan: LabPlan,
        labels: dict[str, str],
        networks: dict[str, str],
        names: dict[str, str],
        *,
        eager: bool = False,
    ) -> None:
        self.plan = plan
        self._engine = engine
        self._labels = labels
        self._eager = eager or recipe.has_routers(plan)
        self._networks = networks
        self._names = names
        self._containers: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._saved: dict[tuple[str, str], str] = {}
        self._warm: dict[str, ExecStream] = {}
        self._busy = {host.name: threading.RLock() for host in plan.hosts}
        self._making_agents = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False

    @property
    def token(self) -> str:
        """Tells this making of a lab apart from every other."""
        return self._labels[ONE]

    def make(self) -> None:
        """Make all hosts, each on all its networks.

        Raises:
            BackendError: the engine says no. What was made is there still: `close` removes it.
        """
        raise_first(together([lambda host=host: self._make_host(host) for host in self.plan.hosts]))  # type: ignore[misc]

    def _make_host(self, host: HostPlan) -> None:
        body = recipe.container(self.plan, host, self._names, self._labels)
        made = self._create(f"{self.token}-{host.name}", body)
        self._containers[host.name] = made
        self._engine.ask("POST", f"/containers/{made}/start")
        self._plug_others(host)
        if self._eager:
            self._make_agent(host)

    def _create(self, name: str, body: dict[str, object]) -> str:
        try:
            answer = self._engine.ask(
                "POST", "/containers/create", query={"name": f"socketlab-{name}"}, body=body
            )
        except EngineError as error:
            if error.status == _NO_IMAGE and "image" in error.seen.lower():
                raise BackendError("docker.image", image=body["Image"]) from error
            raise
        return str(answer["Id"])

    def _plug_others(self, host: HostPlan) -> None:
        """All networks but the first, one after another: so the devices are numbered as planned."""
        for interface in host.interfaces[1:]:
            self._connect(host, interface)

    def _connect(self, host: HostPlan, interface: Interface) -> None:
        body = {"Container": self._containers[host.name], "EndpointConfig": recipe.endpoint(host, interface)}
        self._engine.ask("POST", f"/networks/{self._networks[interface.network]}/connect", body=body)

    def _disconnect(self, host: HostPlan, network: str) -> None:
        body = {"Container": self._containers[host.name]}
        self._engine.ask("POST", f"/networks/{self._networks[network]}/disconnect", body=body)

    def actor(self, host: str) -> ExecStream:
        """A stream to a new actor on a host.

        Args:
            host: its name.

        Raises:
            HostError: the host does not run.
        """
        container = self._container(host)
        warm = self._warm.pop(host, None)
        if warm is not None:
            return warm
        with self._explained(host, "start an actor"):
            return programs.start(self._engine, container, host, recipe.ACTOR)

    def warm(self) -> None:
        """Start an actor on every host, for the first who asks for one.

        Raises:
            BackendError: one does not start.
        """
        for host in self._containers:
            self._warm[host] = self.actor(host)
        for stream in self._warm.values():
            stream.wait(_ACTOR_SECONDS)

    def rename(self, name: str) -> None:
        """Give the lab another name. On the engine it keeps the one that it was made under.

        Args:
            name: the new one.
        """
        self.plan = replace(self.plan, name=name)

    def agent(self, host: str) -> ExecStream:
        """A stream to the host's agent, which is started where none runs yet.

        Args:
            host: its name.

        Raises:
            HostError: the host does not run.
        """
        self._container(host)
        with self._explained(host, "reach its agent"):
            if self.states()[host] == "stopped":
                raise HostError("docker.state", host=host, action="agent", state="stopped")
            self._need_agents()
            with self._busy[host]:
                self._wake_agent(host)
            return programs.start(self._engine, self._agents[host], host, recipe.ATTACH)

    def _container(self, host: str) -> str:
        if self._closed:
            raise HostError("docker.closed", host=host, lab=self.plan.name)
        return self._containers[host]

    def _need_agents(self) -> None:
        """Make the agents that are not there yet, of hosts that run."""
        with self._making_agents:
            missing = [host for host in self.plan.hosts if host.name not in self._agents]
            if missing:
                states = self.states()
                running = [host for host in missing if states[host.name] != "stopped"]
                raise_first(together([lambda host=host: self._make_agent(host) for host in running]))  # type: ignore[misc]

    def _make_agent(self, host: HostPlan) -> None:
        body = recipe.agent(self._containers[host.name], self._labels)
        made = self._create(f"{self.token}-{host.name}-agent", body)
        self._post(made, "start")
        self._agents[host.name] = made
        self._prepare_network(host)

    def _wake_agent(self, host: str) -> None:
        """Start an agent that has given up: its host was away for longer than it waits."""
        if host not in self._agents:
            raise HostError("docker.state", host=host, action="agent", state="stopped")
        told = self._engine.ask("GET", f"/containers/{self._agents[host]}/json")
        if not told["State"]["Running"] or told["State"].get("Restarting"):
            self._restart_agent(self.plan.host(host))

    def _restart_agent(self, host: HostPlan) -> None:
        self._engine.ask("POST", f"/containers/{self._agents[host.name]}/restart", query={"t": 0})
        self._prepare_network(host)

    def _prepare_network(self, host: HostPlan) -> None:
        """Set what no sysctl and no engine's option does: no default route, offloads off, ways."""
        self._prepare(host.name, "set", *recipe.wishes(self.plan, host))

    def _prepare(self, host: str, *words: str) -> str:
        ran = programs.run(self._engine, self._agents[host], (*recipe.NETWORK, *words))
        if ran.code:
            said = ran.err.decode(errors="replace").strip()
            raise HostError("docker.cannot", host=host, what=words[0], seen=said)
        return ran.out.decode()

    def act(self, host: str, action: Action) -> None:
        """Change a host's state; returns when it has changed.

        Args:
            host: its name.
            action: what to do to it.

        Raises:
            HostError: it makes no sense in the state that the host is in, or the engine says no.
        """
        steps: dict[Action, Callable[[HostPlan, str], None]] = {
            "pause": lambda _host, container: self._post(container, "pause"),
            "resume": lambda _host, container: self._post(container, "unpause"),
            "kill": self._kill,
            "stop": self._stop,
            "start": self._start,
        }
        with self._busy[host], self._explained(host, action):
            container = self._container(host)
            state = self.states()[host]
            if state not in ALLOWED[action]:
                raise HostError("docker.state", host=host, action=action, state=state)
            steps[action](self.plan.host(host), container)

    def _post(self, container: str, verb: str) -> None:
        self._engine.ask("POST", f"/containers/{container}/{verb}")

    def _kill(self, host: HostPlan, container: str) -> None:
        if host.name in self._warm:
            self._warm.pop(host.name).close()
        with suppress(EngineError):  # it may just have ended by itself: what counts is that it has
            self._post(container, "kill")
        self._post(container, "wait")

    def _stop(self, host: HostPlan, container: str) -> None:
        if self.states()[host.name] == "paused":
            self._post(container, "unpause")
        with suppress(EngineError, TimeoutError):
            programs.run(self._engine, container, recipe.HALT)
        self._kill(host, container)

    def _start(self, host: HostPlan, container: str) -> None:
        # The engine starts a host on its networks in any order; the devices shall have their old names.
        for interface in host.interfaces[1:]:
            with suppress(EngineError):  # it was not connected when it stopped
                self._disconnect(host, interface.network)
        with suppress(EngineError):
            self._connect(host, host.interfaces[0])
        self._post(container, "start")
        self._forget_links(host.name)
        self._plug_others(host)
        if host.name in self._agents:
            self._restart_agent(host)
        elif self._eager:
            self._make_agent(host)

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect a host from a network, or connect it again with the same addresses and routes.

        Args:
            host: its name.
            network: its name in the lab.
            connected: whether it shall be.

        Raises:
            HostError: it is so already, or the host is not of that network.
        """
        plan, interface = self._place(host, network)
        with self._busy[host], self._explained(host, "reconnect" if connected else "disconnect"):
            self._container(host)
            if not connected:
                self._disconnect(plan, network)
                return
            self._connect(plan, interface)
            self._saved.pop((host, network), None)
            if host in self._agents:
                self._wake_agent(host)
                self._prepare_network(plan)

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Set a host's link to a network down, or up again with the addresses and routes that it had.

        Args:
            host: its name.
            network: its name in the lab.
            up: whether it shall be.

        Raises:
            HostError: it is so already, the host does not run, or it is not of that network.
        """
        _plan, interface = self._place(host, network)
        with self._busy[host], self._explained(host, "link up" if up else "link down"):
            self._container(host)
            saved = self._saved.get((host, network))
            if up == (saved is None):
                raise HostError("docker.link", host=host, network=network, state="up" if up else "down")
            self._need_agents()
            self._wake_agent(host)
            address = str(interface.address.ip)
            if saved is None:
                self._saved[host, network] = self._prepare(host, "down", address)
            else:
                self._prepare(host, "up", address, saved)
                del self._saved[host, network]

    def _place(self, host: str, network: str) -> tuple[HostPlan, Interface]:
        plan = self.plan.host(host)
        for interface in plan.interfaces:
            if interface.network == network:
                return plan, interface
        has = ", ".join(interface.network for interface in plan.interfaces)
        raise HostError("docker.no-network", host=host, network=network, expected=has)

    def _forget_links(self, host: str) -> None:
        for key in [key for key in self._saved if key[0] == host]:
            del self._saved[key]

    def states(self) -> dict[str, HostState]:
        """How each host stands, asked now."""
        told, _ = labelled(self._engine, ONE, self.token)
        states = {one["Id"]: _STATES.get(one["State"], "stopped") for one in told}
        return {host: states.get(container, "stopped") for host, container in self._containers.items()}

    @contextmanager
    def _explained(self, host: str, what: str) -> Iterator[None]:
        """Turn an engine's no into an error that names the host and what was wanted of it."""
        try:
            yield
        except (EngineError, TimeoutError) as error:
            seen = error.seen if isinstance(error, EngineError) else "timeout"
            raise HostError("docker.cannot", host=host, what=what, seen=seen) from error

    def close(self) -> None:
        """Remove all of it; returns when it is gone. Any number of times.

        Raises:
            BackendError: something would not go; the rest has gone, and what is left goes with its owner.
        """
        with self._closing:
            if self._closed:
                return
            while self._warm:
                self._warm.popitem()[1].close()
            remove(self._engine, *labelled(self._engine, ONE, self.token))
            self._closed = True
        self._engine.close()
        owner().closed()
