"""Containers of ours in the network namespaces of somebody else's: made when asked for, right when given.

Theory of operation
    A sidecar that was started before its host is in a namespace that is no more: it is started again, and one
    whose host was recreated is made anew. An agent that was killed is started again by whoever needs it next;
    its journal is on a volume, so it undoes what it left.

    The kernel answers with one ICMP error a second and peer, which would make refusals silent. Where that
    limit is on it is lifted while the agent is there. No program in a container can: /proc/sys is read-only
    there. The engine does it as it starts a container, so one that does nothing else is run for it; and
    another, made before, is run when ours are removed, by whoever removes them (`ownership.START`): its
    settings are those that were found.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from socketlab.errors import BackendError, LabError
from socketlab.hosts.docker import programs, recipe
from socketlab.hosts.docker.adopted_plan import Found, moment
from socketlab.hosts.docker.engine import Engine, EngineError, segment
from socketlab.hosts.docker.ownership import END, ONE, START

_GONE: Final = 404
_LIMITS: Final = ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit")
_READ_LIMITS: Final = (
    "sh",
    "-c",
    "cat /proc/sys/net/ipv4/icmp_ratelimit; cat /proc/sys/net/ipv6/icmp/ratelimit 2>/dev/null || echo 0",
)
_Body: TypeAlias = Callable[[str, Mapping[str, str]], dict[str, Any]]


class _Sidecar(NamedTuple):
    """A container of ours.

    Args:
        id: the engine's.
        host: the container whose namespace it is for.
        started: when, as the engine has it.
    """

    id: str
    host: str
    started: str


class Sidecars:
    """Those of one lab. A host's are asked for by one thread at a time.

    Args:
        engine: where they are.
        labels: on all of them.
    """

    def __init__(self, engine: Engine, labels: dict[str, str]) -> None:
        self._engine = engine
        self._labels = labels
        self._agents: dict[str, _Sidecar] = {}
        self._actors: dict[str, _Sidecar] = {}
        self._setters: dict[str, _Sidecar] = {}
        self.limited: dict[str, str] = {}
        """Hosts whose ICMP errors stay limited, and why."""

    def has_agent(self, host: str) -> bool:
        """Whether its agent has ever been asked for."""
        return host in self._agents

    def actor(self, found: Found) -> str:
        """The id of the container that a host's actors run in."""
        self._actors[found.host] = self._ready(found, self._actors, "actor", recipe.adopted_actor)
        return self._actors[found.host].id

    def agent(self, found: Found) -> str:
        """The id of a host's agent; it may just be starting."""
        before = self._agents.get(found.host)
        agent = self._ready(found, self._agents, "agent", recipe.adopted_agent)
        self._agents[found.host] = agent
        if agent != before:
            self._lift_limits(found, agent.id)
        return agent.id

    def _ready(self, found: Found, those: Mapping[str, _Sidecar], what: str, body: _Body) -> _Sidecar:
        """A sidecar that runs in the namespace that a host has now."""
        have = those.get(found.host)
        state = None if have is None else self._state(have.id)
        if have is not None and state is not None and have.host != found.container:
            query = {"force": "true", "v": "true"}
            self._engine.ask("DELETE", f"/containers/{have.id}", query=query)
            state = None
        if have is None or state is None:
            made = self._create(found, what, body(found.container, self._labels))
            self._engine.ask("POST", f"/containers/{made}/start")
        else:
            made = have.id
            is_astray = moment(state["StartedAt"]) < moment(found.started)
            if not is_astray and state["Running"] and not state.get("Restarting"):
                return have._replace(started=str(state["StartedAt"]))
            self._engine.ask("POST", f"/containers/{made}/restart", query={"t": 0})
        now = self._state(made)
        return _Sidecar(made, found.container, str(now["StartedAt"]) if now else "")

    def _state(self, container: str) -> Any:
        """How a container stands; None: it is gone."""
        try:
            return self._engine.ask("GET", f"/containers/{segment(container)}/json")["State"]
        except EngineError as error:
            if error.status == _GONE:
                return None
            raise

    def _create(self, found: Found, what: str, body: dict[str, Any]) -> str:
        name = f"socketlab-{self._labels[ONE]}-{found.host}-{what}-{found.container[:6]}"
        try:
            made = self._engine.ask("POST", "/containers/create", query={"name": name}, body=body)
        except EngineError as error:
            if error.status == _GONE and "image" in error.seen.lower():
                raise BackendError("docker.image", image=body["Image"]) from error
            raise
        return str(made["Id"])

    def _lift_limits(self, found: Found, agent: str) -> None:
        """Have every ICMP error sent; where that cannot be had, note why."""
        try:
            said = programs.run(self._engine, agent, _READ_LIMITS).out.decode().split()
            limits = {name: value for name, value in zip(_LIMITS, said, strict=True) if value != "0"}
            if limits:
                self._set(found, limits)
            self.limited.pop(found.host, None)
        except (LabError, ValueError, TimeoutError) as error:
            self.limited[found.host] = str(error)

    def _set(self, found: Found, limits: Mapping[str, str]) -> None:
        setter = self._setters.get(found.host)
        if setter is None or setter.host != found.container:
            self._create(found, "back", recipe.setter(found.container, {**self._labels, END: START}, limits))
            body = recipe.setter(found.container, self._labels, dict.fromkeys(limits, "0"))
            setter = _Sidecar(self._create(found, "set", body), found.container, "")
            self._setters[found.host] = setter
        self._engine.ask("POST", f"/containers/{setter.id}/start")
        self._engine.ask("POST", f"/containers/{setter.id}/wait")
