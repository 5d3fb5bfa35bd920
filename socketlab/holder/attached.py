"""A lab that another process holds, as a `Lab`: its hosts' sockets and programs, without owning it."""

from typing import Self

from socketlab.holder.client import HeldMachines, connect
from socketlab.hosts.backend import Machines
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.hosts.plan import LabPlan
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug


class _Holder:
    """A lab's holder as a backend that makes nothing."""

    def __init__(self, machines: HeldMachines) -> None:
        self.name = machines.about.backend
        self._machines = machines

    def open(self, spec: LabSpec) -> Machines:
        """What the holder holds already."""
        del spec
        return self._machines


class AttachedLab(Lab):
    """A lab held by another process. Closing it closes what was opened here, and leaves the lab alone."""

    owns_hosts = False

    def __init__(self, machines: HeldMachines) -> None:
        super().__init__(as_spec(machines.plan), _Holder(machines))
        self._about = machines.about

    @staticmethod
    def _check(spec: LabSpec) -> None:
        """It is there already."""

    @property
    def why(self) -> str:
        """Why this backend, as the holder said it."""
        return self._about.why

    def open(self) -> Self:
        """Reach it. Actors are made when they are first needed; what the lab runs itself runs already."""
        self._machines = machines = self._choice.backend.open(self.spec)
        for plan in machines.plan.hosts:
            self._hosts[plan.name] = Host(plan, machines, self._events, self._faulting)
        return self


def as_spec(plan: LabPlan) -> LabSpec:
    """The wish that a plan would come from."""
    return LabSpec(
        name=plan.name,
        hosts=tuple(
            HostSpec(
                name=host.name,
                role=host.role,
                plugs=tuple(
                    Plug(
                        network=interface.network,
                        address=str(interface.address.ip),
                        address6=None if interface.address6 is None else str(interface.address6.ip),
                    )
                    for interface in host.interfaces
                ),
            )
            for host in plan.hosts
        ),
        networks=tuple(
            NetworkSpec(
                name=network.name,
                subnet=str(network.subnet),
                subnet6=None if network.subnet6 is None else str(network.subnet6),
            )
            for network in plan.networks
        ),
        ipv6=any(network.subnet6 for network in plan.networks),
        offload=plan.offload,
        labels=dict(plan.labels),
    )


def attach(name: str | None = None) -> Lab:
    """The lab that a holder holds (`socketlab up`), for a `with` block or `open`.

    Args:
        name: None: the only one that runs.

    Raises:
        EndedError: no such lab runs.
        SpecError: several run, and no name was given.
    """
    return AttachedLab(connect(name))
