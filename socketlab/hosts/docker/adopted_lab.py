"""A foreign compose project as a `Lab`: its services' sockets and faults, without owning them.

with adopt("shop") as shop:
    with shop.redis.faults.apply(drop(peer=shop.web, port=6379)):
        ...
"""

import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Self

from socketlab.errors import BackendError, LabError
from socketlab.hosts.docker.adopted import AdoptedMachines
from socketlab.hosts.docker.endpoint import Endpoint, find
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.ownership import LAB, ONE, owner
from socketlab.hosts.docker.removal import remove_labelled
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import HostSpec, LabSpec
from socketlab.messages import say

_UNFIT: Final = re.compile(r"[^a-z0-9]+")


class AdoptingBackend:
    """The engine's containers of one project (`socketlab.hosts.backend.Backend`); it makes no host.

    Args:
        project: of Compose.
        services: only these; empty: all that have a network of their own.
        endpoint: of the engine; None: the one that the docker command would use.
    """

    name = "docker"

    def __init__(self, project: str, services: Iterable[str] = (), endpoint: Endpoint | None = None) -> None:
        self.project = project
        self._services = tuple(services)
        self._endpoint = endpoint

    def open(self, spec: LabSpec) -> AdoptedMachines:
        """Find the project's hosts; nothing is made yet.

        Args:
            spec: of it, the name counts.

        Raises:
            SpecError: there is no such project or service, or nothing of it runs.
            BackendError: the engine is away or says no.
        """
        engine = Engine(self._endpoint or find())
        engine.version()
        token = f"{_UNFIT.sub('-', spec.name.lower()).strip('-')[:30]}-{uuid.uuid4().hex[:10]}"
        labels = {**spec.labels, LAB: spec.name, ONE: token, **owner().labels()}
        owner().opening(engine.endpoint)
        try:
            return AdoptedMachines(engine, spec.name, self.project, self._services, labels)
        except BaseException:
            with suppress(BackendError):
                remove_labelled(engine, ONE, token)
            owner().closed()
            engine.close()
            raise


class AdoptedLab(Lab):
    """A foreign project. Closing it removes what we put beside its services, and leaves them as they were.

    Args:
        project: of Compose.
        name: of the lab; None: the project's.
        services: only these; empty: all.
        endpoint: of the engine.
    """

    owns_hosts = False

    def __init__(
        self,
        project: str,
        name: str | None = None,
        services: Iterable[str] = (),
        endpoint: Endpoint | None = None,
    ) -> None:
        self.project = project
        super().__init__(
            LabSpec(name=project if name is None else name, hosts=()),
            AdoptingBackend(project, services, endpoint),
        )

    @staticmethod
    def _check(spec: LabSpec) -> None:
        """A foreign project need not be what a lab of ours has to be."""

    @property
    def why(self) -> str:
        """Where its hosts come from; and which of them answer with fewer ICMP errors than are asked for."""
        said = say("lab.why.adopted", project=self.project)
        limited = self._machines.limited if isinstance(self._machines, AdoptedMachines) else {}
        return "\n".join(
            (said, *(say("lab.why.limited", host=host, seen=why) for host, why in limited.items()))
        )

    def open(self) -> Self:
        """Find its hosts. Nothing is put beside any of them before it is needed.

        Raises:
            SpecError: there is no such project or service, or nothing of it runs.
            BackendError: the engine is away or says no.
        """
        machines = self._choice.backend.open(self.spec)
        self._machines = machines
        self.spec = LabSpec(
            name=self.spec.name, hosts=tuple(HostSpec(name=host.name) for host in machines.plan.hosts)
        )
        for plan in machines.plan.hosts:
            self._hosts[plan.name] = Host(plan, machines, self._events, self._faulting)
        if isinstance(machines, AdoptedMachines):
            machines.watch(self._is_back)
        return self

    def _is_back(self, name: str) -> None:
        """A service's container was started: it may have other addresses, and is to have its faults again."""
        with suppress(LabError):  # it is gone once more, or the lab is closed
            self._hosts[name].plan = self.plan.host(name)
            self._faulting.back(name)


def adopt(project: str, name: str | None = None, services: Iterable[str] = ()) -> AdoptedLab:
    """A foreign compose project as a lab, for the length of a `with` block.

    Args:
        project: of Compose: `docker compose ls` shows those that there are.
        name: of the lab; None: the project's.
        services: only these; empty: all that have a network of their own.
    """
    return AdoptedLab(project, name, services)
