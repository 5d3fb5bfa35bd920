"""The making of a lab on an engine: networks first, then all hosts side by side."""

import itertools
import random
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from socketlab.errors import BackendError
from socketlab.hosts.docker import recipe
from socketlab.hosts.docker.endpoint import Endpoint, find
from socketlab.hosts.docker.engine import Engine, EngineError
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.docker.ownership import LAB, ONE, owner
from socketlab.hosts.docker.removal import remove_labelled
from socketlab.hosts.docker.subnets import Network, Pair, candidates, machine_routes, overlap, taken
from socketlab.hosts.plan import LabPlan, NetworkPlan
from socketlab.hosts.resolve import networks_of, resolve, subnets_wanted
from socketlab.hosts.spec import LabSpec

_ATTEMPTS: Final = 64
_UNFIT: Final = re.compile(r"[^a-z0-9]+")


class DockerBackend:
    """Hosts as containers (`socketlab.hosts.backend.Backend`).

    Args:
        endpoint: of the engine; None: the one that the docker command would use, looked up at each lab.
        eager: make each host's agent with it. Else they are made when the first is asked for; until then
            offloads are on, and an engine before 26 gives hosts a default route that leads nowhere.
    """

    name = "docker"

    def __init__(self, endpoint: Endpoint | None = None, *, eager: bool = False) -> None:
        self._endpoint = endpoint
        self._eager = eager

    def open(self, spec: LabSpec) -> DockerMachines:
        """Make a lab's hosts.

        Args:
            spec: what is wanted.

        Raises:
            SpecError: it makes no sense.
            BackendError: the engine is away or says no; nothing is left behind.
        """
        engine = Engine(self._endpoint or find())
        engine.version()
        token = f"{_UNFIT.sub('-', spec.name.lower()).strip('-')[:30]}-{uuid.uuid4().hex[:10]}"
        labels = {**spec.labels, LAB: spec.name, ONE: token, **owner().labels()}
        owner().opening(engine.endpoint)
        try:
            plan, networks = _make_networks(engine, spec, labels)
            names = {network.name: _network_name(token, network) for network in plan.networks}
            machines = DockerMachines(engine, plan, labels, networks, names, eager=self._eager)
            machines.make()
        except BaseException:
            with suppress(BackendError):  # what will not go now, the reaper removes
                remove_labelled(engine, ONE, token)
                owner().closed()
            engine.close()
            raise
        return machines


def _network_name(token: str, network: NetworkPlan) -> str:
    return f"socketlab-{token}-{network.name}"


def _make_networks(engine: Engine, spec: LabSpec, labels: dict[str, str]) -> tuple[LabPlan, dict[str, str]]:
    """A plan with subnets that are free, and the ids of its networks.

    Raises:
        SpecError: the lab makes no sense.
        BackendError: a subnet that was asked for is taken, or none is free.
    """
    own = {network.name for network in networks_of(spec) if network.subnet or network.subnet6}
    routes = [target for _, target in machine_routes()] if engine.endpoint.is_here else []
    pairs = candidates(routes, random.Random())  # noqa: S311 - which free subnet is taken guards nothing
    for _ in range(_ATTEMPTS):
        plan = resolve(spec, _next(pairs, subnets_wanted(spec)))
        routed = recipe.has_routers(plan)
        made: dict[str, str] = {}
        for network in plan.networks:
            if network.name in own:
                _check_free(engine, network, routes)
            body = recipe.network(_network_name(labels[ONE], network), network, labels, routed=routed)
            try:
                made[network.name] = str(engine.ask("POST", "/networks/create", body=body)["Id"])
            except EngineError as error:
                if "overlap" not in error.seen.lower():
                    raise
                if network.name in own:
                    raise _is_taken(engine, network) from error
                break
        else:
            return plan, made
        for network_id in made.values():
            engine.ask("DELETE", f"/networks/{network_id}")
    raise BackendError("docker.no-subnet")


def _next(pairs: Iterator[Pair], count: int) -> list[Pair]:
    few = list(itertools.islice(pairs, count))
    if len(few) < count:
        raise BackendError("docker.no-subnet")
    return few


def _check_free(engine: Engine, network: NetworkPlan, routes: list[Network]) -> None:
    """Refuse a subnet to which this machine has a route already: the engine does not look at those."""
    mine = (network.subnet, network.subnet6)
    wide = [route for route in routes if not _holds_default(route)]
    if any(subnet is not None and overlap(subnet, route) for subnet in mine for route in wide):
        raise _is_taken(engine, network)


def _holds_default(route: Network) -> bool:
    return route.prefixlen <= (8 if route.version == 4 else 7)  # noqa: PLR2004 - as wide as all private ones


def _is_taken(engine: Engine, network: NetworkPlan) -> BackendError:
    """The error that says whose a subnet is."""
    others = taken(engine.endpoint, engine.ask("GET", "/networks"))
    mine = (network.subnet, network.subnet6)
    for subnet in mine:
        for other, who in others.items():
            if subnet is not None and overlap(subnet, other):
                return BackendError("docker.subnet", network=network.name, subnet=subnet, taken=other, by=who)
    return BackendError("docker.subnet", network=network.name, subnet=network.subnet, taken="?", by="?")
