"""Things of ours taken off an engine: sidecars first, then hosts, networks last, each kind all at once.

What stands in somebody else's network namespace is ended before it is removed, so that nothing of what it did
there stays: an agent by SIGTERM, and one that was killed is started once more, since the next agent undoes
what the last one left (`ownership.END`).
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from socketlab.errors import BackendError, HostError
from socketlab.hosts.docker import programs
from socketlab.hosts.docker.engine import Engine, EngineError, segment
from socketlab.hosts.docker.ownership import END, START, STOP
from socketlab.hosts.docker.recipe import ATTACH

TOGETHER = 4
"""Requests at a time: the engine takes them one after another anyway, this only fills its pauses."""
_GONE = 404
_BUSY = 409
_TRIES = 50
_PAUSE = 0.1
_STOP_SECONDS = 10
_LEFT_NOTHING = {0, 75}
"""Exit codes of an agent that has cleared up, or whose namespace is gone."""


def labelled(engine: Engine, label: str, value: str | None = None) -> tuple[list[Any], list[Any]]:
    """The containers, stopped ones too, and the networks that carry a label.

    Args:
        engine: which engine.
        label: its name.
        value: with this value; None: with any.
    """
    wanted = label if value is None else f"{label}={value}"
    query = {"filters": {"label": [wanted]}}
    containers = engine.ask("GET", "/containers/json", query={"all": "true", **query})
    networks = engine.ask("GET", "/networks", query=query)
    return containers or [], networks or []


def remove_labelled(engine: Engine, label: str, value: str) -> int:
    """Remove whatever carries a label with a value, and wait until it is gone.

    Returns:
        How much there was.

    Raises:
        BackendError: something would not go; the rest has gone nevertheless.
    """
    containers, networks = labelled(engine, label, value)
    remove(engine, containers, networks)
    return len(containers) + len(networks)


def remove(engine: Engine, containers: Iterable[Any], networks: Iterable[Any]) -> None:
    """Remove containers and networks, told as the engine lists them.

    Raises:
        BackendError: something would not go; the rest has gone nevertheless.
    """
    sidecars: list[str] = []
    hosts: list[str] = []
    containers = list(containers)
    for how, end in ((STOP, _stop), (START, _run)):
        together([lambda one=one["Id"], end=end: end(engine, one) for one in _ending(containers, how)])  # type: ignore[misc]
    for told in containers:
        is_sidecar = told["HostConfig"]["NetworkMode"].startswith("container:")
        (sidecars if is_sidecar else hosts).append(told["Id"])
    steps: list[Callable[[], None]] = []
    failures: list[BackendError | HostError] = []
    for ids, take in ((sidecars, _container), (hosts, _container), ([n["Id"] for n in networks], _network)):
        steps = [lambda one=one, take=take: take(engine, one) for one in ids]  # type: ignore[misc]
        failures += together(steps)
    raise_first(failures)


def raise_first(failures: list[BackendError | HostError]) -> None:
    """Raise the first of some failures, if there is any."""
    if failures:
        raise failures[0]


def together(steps: Iterable[Callable[[], object]]) -> list[BackendError | HostError]:
    """Take steps side by side, all of them; what went wrong.

    Args:
        steps: independent of each other.
    """
    waiting = list(steps)
    if not waiting:
        return []
    failures: list[BackendError | HostError] = []

    def take(step: Callable[[], object]) -> None:
        try:
            step()
        except (BackendError, HostError) as error:
            failures.append(error)

    with ThreadPoolExecutor(min(TOGETHER, len(waiting))) as pool:
        list(pool.map(take, waiting))
    return failures


def _ending(containers: Iterable[Any], how: str) -> list[Any]:
    return [told for told in containers if (told.get("Labels") or {}).get(END) == how]


def _stop(engine: Engine, agent: str) -> None:
    """Have an agent leave its namespace as it was; it may be gone with it."""
    path = f"/containers/{segment(agent)}"
    with suppress(EngineError, TimeoutError):
        state = engine.ask("GET", f"{path}/json")["State"]
        if not state["Running"]:
            if state["ExitCode"] in _LEFT_NOTHING:
                return
            engine.ask("POST", f"{path}/start")
            programs.run(engine, agent, ATTACH)  # returns when the agent has begun to serve
        engine.ask("POST", f"{path}/stop", query={"t": _STOP_SECONDS})


def _run(engine: Engine, container: str) -> None:
    """Start what puts something back, and wait until it has; its namespace may be gone."""
    path = f"/containers/{segment(container)}"
    with suppress(EngineError):
        engine.ask("POST", f"{path}/start")
        engine.ask("POST", f"{path}/wait")


def _container(engine: Engine, container: str) -> None:
    path = f"/containers/{segment(container)}"
    for left in reversed(range(_TRIES)):
        try:
            engine.ask("DELETE", path, query={"force": "true", "v": "true"})
        except EngineError as error:
            if error.status == _GONE:
                return
            if not left or error.status < _BUSY:  # 409: somebody else is removing it; 500: it is just ending
                raise
            time.sleep(_PAUSE)
        else:
            return


def _network(engine: Engine, network: str) -> None:
    path = f"/networks/{segment(network)}"
    for left in reversed(range(_TRIES)):
        try:
            engine.ask("DELETE", path)
        except EngineError as error:
            if error.status == _GONE:
                return
            if not left:
                raise
            _disconnect_all(engine, path)
            time.sleep(_PAUSE)
        else:
            return


def _disconnect_all(engine: Engine, path: str) -> None:
    """An endpoint outlives its container where the engine was interrupted: take those out by force."""
    with suppress(EngineError):
        for container in engine.ask("GET", path).get("Containers") or {}:
            with suppress(EngineError):
                engine.ask("POST", f"{path}/disconnect", body={"Container": container, "Force": True})
