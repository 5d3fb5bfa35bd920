"""A foreign compose project in the engine's hands.

Theory of operation
    Nothing is done to a host until somebody asks for its agent or its actor: then a container of ours is
    started in its network namespace (`adopted_sidecars`). The agent's has NET_ADMIN and NET_RAW, the actor's
    no capability at all.

    A host's containers come and go, and hosts are known by service and number. The engine tells when one
    starts: then the plan is made anew, and where there was an agent it comes again in the new namespace.

    What is done to a container itself (paused, killed, unplugged) is done because somebody named it; how it
    is undone is noted with the reaper before.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from socketlab.errors import HostError, LabError, SpecError
from socketlab.hosts.backend import Action, HostState
from socketlab.hosts.docker import adopted_plan, programs, recipe
from socketlab.hosts.docker.adopted_plan import Found
from socketlab.hosts.docker.adopted_sidecars import Sidecars
from socketlab.hosts.docker.engine import Engine, EngineError, segment
from socketlab.hosts.docker.machines import ALLOWED
from socketlab.hosts.docker.notices import Notices
from socketlab.hosts.docker.ownership import ONE, Request, owner
from socketlab.hosts.docker.removal import labelled, remove
from socketlab.hosts.docker.streams import ExecStream

_GONE: Final = 404


class AdoptedMachines:
    """A foreign project's services as a lab (`socketlab.hosts.backend.Machines`).

    Args:
        engine: where they are.
        name: of the lab.
        project: of Compose.
        services: only these; empty: all.
        labels: on all that is made here; `ONE` tells it apart.

    Raises:
        SpecError: there is no such project or service, or it runs nothing that could be a host.
        BackendError: the engine is away or says no.
    """

    def __init__(
        self, engine: Engine, name: str, project: str, services: tuple[str, ...], labels: dict[str, str]
    ) -> None:
        self._engine = engine
        self._project = project
        self._token = labels[ONE]
        told = self._containers()
        hosts = adopted_plan.found(told, project, services)
        self._found = {host: each for host, each in hosts.items() if each.state != "stopped"}
        self.plan = adopted_plan.plan(name, self._found.values(), told, self._networks())
        for host in self._found.keys() - {each.name for each in self.plan.hosts}:
            raise SpecError("adopt.no-address", host=host)
        self._sidecars = Sidecars(engine, labels)
        self._busy = {host: threading.RLock() for host in self._found}
        self._undo: dict[str, list[Request]] = {}
        self._watchers: list[Callable[[str], object]] = []
        self._closing = threading.Lock()
        self._closed = False
        filters = {"type": ["container"], "event": ["start"], "label": [f"{adopted_plan.PROJECT}={project}"]}
        self._notices = Notices(engine, filters, self._started)

    @property
    def limited(self) -> dict[str, str]:
        """Hosts whose ICMP errors stay limited by their kernel, and why."""
        return self._sidecars.limited

    def watch(self, callback: Callable[[str], object]) -> None:
        """Have a function told of each host that was started, after its plan and its agent are ready.

        Args:
            callback: gets the host's name, in a thread of its own.
        """
        self._watchers.append(callback)

    def _containers(self, *labels: str) -> list[Any]:
        """All of the project's containers, or those with more labels, as the engine inspects them."""
        wanted = [f"{adopted_plan.PROJECT}={self._project}", *labels]
        query = {"all": "true", "filters": {"label": wanted}}
        listed = self._engine.ask("GET", "/containers/json", query=query)
        told = [self._inspect(each["Id"]) for each in listed]
        return [each for each in told if each is not None]

    def _inspect(self, container: str) -> Any:
        """What the engine knows of a container; None: there is no such any more."""
        try:
            return self._engine.ask("GET", f"/containers/{segment(container)}/json")
        except EngineError as error:
            if error.status == _GONE:
                return None
            raise

    def _networks(self) -> Any:
        return self._engine.ask("GET", "/networks")

    def _now(self, host: str) -> Found:
        """A host's container as it stands now, also after it was recreated."""
        if self._closed:
            raise HostError("docker.closed", host=host, lab=self.plan.name)
        known = self._found[host]
        told = self._inspect(known.container)
        if told is None:
            labels = (f"{adopted_plan.SERVICE}={known.service}", f"{adopted_plan.NUMBER}={known.number}")
            others = self._containers(*labels)
            running = [each for each in others if each["State"]["Running"]]
            told = (running or others or [None])[0]
        if told is None:
            return known._replace(state="stopped")
        now = known._replace(
            container=str(told["Id"]), started=str(told["State"]["StartedAt"]), state=adopted_plan.state(told)
        )
        if known.agent and now.container != known.container:
            now = now._replace(agent=self._own_agent(now.container))
        self._found[host] = now
        return now

    def _own_agent(self, container: str) -> str:
        """The project's own agent beside a container, which was recreated with it; empty: there is none."""
        others = adopted_plan.found(self._containers(), self._project)
        return next((each.agent for each in others.values() if each.container == container), "")

    def states(self) -> dict[str, HostState]:
        """How each host stands, asked now."""
        return {host: self._now(host).state for host in self._found}

    def actor(self, host: str) -> ExecStream:
        """A stream to a new actor in a host's network.

        Args:
            host: its name.

        Raises:
            HostError: the host does not run.
        """
        with self._busy[host], self._explained(host, "start an actor"):
            sidecar = self._sidecars.actor(self._running(host, "actor"))
            return programs.start(self._engine, sidecar, host, recipe.ACTOR)

    def agent(self, host: str) -> ExecStream:
        """A stream to the host's agent, which is started where none runs yet.

        Args:
            host: its name.

        Raises:
            HostError: the host does not run.
        """
        with self._busy[host], self._explained(host, "reach its agent"):
            found = self._running(host, "agent")
            sidecar = found.agent or self._sidecars.agent(found)
            return programs.start(self._engine, sidecar, host, recipe.ATTACH)

    def _running(self, host: str, action: str) -> Found:
        found = self._now(host)
        if found.state == "stopped":
            raise HostError("docker.state", host=host, action=action, state="stopped")
        return found

    def _started(self, told: Any) -> None:
        """One of the project's containers was started: make its plan anew, and its agent follow."""
        attributes = (told.get("Actor") or {}).get("Attributes") or {}
        service, number = attributes.get(adopted_plan.SERVICE), attributes.get(adopted_plan.NUMBER, "1")
        for host, known in self._found.items():
            if known.service == service and str(known.number) == number:
                with suppress(LabError):
                    self._follow(host)
                for callback in self._watchers:
                    threading.Thread(target=callback, args=(host,), daemon=True).start()

    def _follow(self, host: str) -> None:
        with self._busy[host]:
            found = self._now(host)
            told = self._containers()
            there = {each["Id"] for each in told if each["State"]["Running"]}
            up = [each for each in self._found.values() if each.container in there]
            new = adopted_plan.plan(self.plan.name, up, told, self._networks())
            self.plan = adopted_plan.renewed(self.plan, new)
            if self._sidecars.has_agent(host) and found.state != "stopped":
                self._sidecars.agent(found)

    def act(self, host: str, action: Action) -> None:
        """Change a host's state; returns when it has changed. It is undone when the lab is closed.

        Args:
            host: its name.
            action: what to do to it.

        Raises:
            HostError: it makes no sense in the state that the host is in, or the engine says no.
        """
        with self._busy[host], self._explained(host, action):
            found = self._now(host)
            if found.state not in ALLOWED[action]:
                raise HostError("docker.state", host=host, action=action, state=found.state)
            path, key = f"/containers/{found.container}", f"{host} state"
            match action:
                case "pause":
                    self._note(key, [Request(f"{path}/unpause")])
                    self._engine.ask("POST", f"{path}/pause")
                case "resume":
                    self._engine.ask("POST", f"{path}/unpause")
                    self._note(key, [])
                case "start":
                    self._engine.ask("POST", f"{path}/start")
                    self._note(key, [])
                    self._follow(host)
                case "kill" | "stop":
                    self._note(key, [Request(f"{path}/start")])
                    if found.state == "paused" and action == "stop":
                        self._engine.ask("POST", f"{path}/unpause")
                    self._engine.ask("POST", f"{path}/{action}")
                    self._engine.ask("POST", f"{path}/wait")

    def _note(self, key: str, requests: list[Request]) -> None:
        """Remember what undoes a thing, here and with the reaper; none: it is undone."""
        self._undo.pop(key, None)
        if requests:
            self._undo[key] = requests
        owner().undoing(self._engine.endpoint, f"{self._token} {key}", requests)

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect a host from a network, or connect it again, with the same addresses if it may have them.

        Args:
            host: its name.
            network: its name in the lab.
            connected: whether it shall be.

        Raises:
            HostError: it is so already, or the host is not of that network.
        """
        with self._busy[host], self._explained(host, "reconnect" if connected else "disconnect"):
            found, key = self._now(host), f"{host} {network}"
            if connected:
                if key not in self._undo:
                    raise HostError("adopt.plugged", host=host, network=network)
                self._play(self._undo[key])
                self._note(key, [])
                self._follow(host)
                return
            told = self._inspect(found.container)
            name, network_id = self._engine_network(told, host, network)
            path, endpoint = f"/networks/{network_id}", adopted_plan.place(told, name)
            # A network whose subnet the engine chose gives nobody the address that he asks for; where the
            # first request was granted, the second one is refused.
            places = (endpoint, {**endpoint, "IPAMConfig": {}})
            body = {"Container": found.container}
            self._note(key, [Request(f"{path}/connect", {**body, "EndpointConfig": each}) for each in places])
            self._engine.ask("POST", f"{path}/disconnect", body=body)

    def _engine_network(self, told: Any, host: str, network: str) -> tuple[str, str]:
        """A network's name and id on the engine, by its name in the lab."""
        labels = {str(each["Id"]): each.get("Labels") or {} for each in self._networks()}
        has: list[str] = []
        for name, endpoint in (told["NetworkSettings"]["Networks"] if told else {}).items():
            short = labels.get(str(endpoint["NetworkID"]), {}).get(adopted_plan.NETWORK) or name
            if network in {name, short}:
                return str(name), str(endpoint["NetworkID"])
            has.append(str(short))
        raise HostError("docker.no-network", host=host, network=network, expected=", ".join(has))

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Refused: a fault of the agent does the same, and is undone whatever happens.

        Raises:
            HostError: always.
        """
        del up
        raise HostError("adopt.link", host=host, network=network)

    @contextmanager
    def _explained(self, host: str, what: str) -> Iterator[None]:
        """Turn an engine's no into an error that names the host and what was wanted of it."""
        try:
            yield
        except (EngineError, TimeoutError) as error:
            seen = error.seen if isinstance(error, EngineError) else "timeout"
            raise HostError("docker.cannot", host=host, what=what, seen=seen) from error

    def _play(self, requests: list[Request]) -> None:
        """Undo a thing: what somebody has undone already, or whose container is gone, the engine refuses."""
        for request in requests:
            with suppress(EngineError):
                self._engine.ask("POST", request.path, body=request.body)

    def close(self) -> None:
        """Leave all as it was; returns when nothing of ours is there. Any number of times.

        Raises:
            BackendError: something of ours would not go; what is left goes with its owner.
        """
        with self._closing:
            if self._closed:
                return
            self._notices.close()
            for key, requests in reversed(list(self._undo.items())):
                self._play(requests)
                self._note(key, [])
            remove(self._engine, *labelled(self._engine, ONE, self._token))
            self._closed = True
        self._engine.close()
        owner().closed()
