"""A lab in its holder's hands: what is asked of it over the socket, done with Lab and Host."""

import dataclasses
import os
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from socketlab.errors import HostError
from socketlab.holder.job import NAME, Job
from socketlab.holder.protocol import About, FaultAsk, plain
from socketlab.hosts import file
from socketlab.hosts.backend import HostState, Machines, Stream
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import HostSpec, LabSpec

if TYPE_CHECKING:
    from socketlab.holder.faults import HeldFaults


class HolderLab(Lab):
    """A lab whose owner hands on streams to its hosts."""

    @property
    def machines(self) -> Machines:
        """It, as its backend holds it."""
        return self._open_machines()


def make(job: Job) -> Lab:
    """The lab that a job asks for, not open yet.

    Raises:
        SpecError: it makes no sense, or its file does not.
    """
    if job.project is not None:
        from socketlab.hosts.docker.adopted_lab import AdoptedLab  # noqa: PLC0415 - who has no engine needs none

        return AdoptedLab(job.project, job.name, job.services)
    if job.file is not None:
        found = file.read(job.file)
        spec = found.spec if job.name is None else dataclasses.replace(found.spec, name=job.name)
        return HolderLab(spec, job.backend or found.backend, found.services)
    hosts = tuple(HostSpec(name=name) for name in job.hosts)
    spec = LabSpec(name=job.name or NAME, hosts=hosts, ipv6=job.ipv6, offload=job.offload)
    return HolderLab(spec, job.backend or "auto")


class Holding:
    """An open lab; `server.Held`.

    Args:
        lab: the lab.
        seconds: how long it is held from now on; None: without end.
    """

    def __init__(self, lab: Lab, seconds: float | None) -> None:
        self._lab = lab
        self._since = time.time()
        self._agents: set[str] = set()
        self._end = None if seconds is None else time.monotonic() + seconds

    def about(self) -> dict[str, Any]:
        """What is held."""
        left = None if self._end is None else max(0.0, self._end - time.monotonic())
        about = About(
            name=self._lab.name,
            backend=self._lab.backend,
            why=self._lab.why,
            pid=os.getpid(),
            since=self._since,
            seconds_left=left,
            agents=tuple(sorted(self._agents)),
            plan=self._lab.plan,
        )
        told: dict[str, Any] = plain(about)
        return told

    def states(self) -> dict[str, HostState]:
        """How each host stands."""
        return self._lab.machines.states()

    def actor(self, host: str) -> Stream:
        """A stream to a new actor."""
        return self._lab.machines.actor(self._known(host))

    def agent(self, host: str) -> Stream:
        """A stream to the agent."""
        self._agents.add(self._known(host))
        return self._lab.machines.agent(host)

    def act(self, host: str, action: str) -> None:
        """Change a host's state."""
        one = self._lab[self._known(host)]
        actions = {
            "pause": one.pause,
            "resume": one.resume,
            "kill": one.kill,
            "stop": one.stop,
            "start": one.boot,
        }
        if action not in actions:
            raise HostError("holder.action", action=action, host=host)
        actions[action]()

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect it, or connect it."""
        one = self._lab[self._known(host)]
        (one.reconnect if connected else one.disconnect)(network)

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Set its link down, or up."""
        one = self._lab[self._known(host)]
        (one.link_up if up else one.link_down)(network)

    def fault(self, ask: FaultAsk) -> dict[str, Any]:
        """Whatever is asked about its faults."""
        return self._faults.do(ask)

    def watch(self, lease: str | None) -> Stream:
        """What changes in its faults, as lines."""
        return self._faults.watch(lease)

    @cached_property
    def _faults(self) -> "HeldFaults":
        from socketlab.holder.faults import HeldFaults  # noqa: PLC0415 - a lab without faults pays for none

        return HeldFaults(self._lab)

    def _known(self, host: str) -> str:
        if host not in self._lab.hosts:
            names = ", ".join(self._lab.hosts)
            raise HostError("holder.host", name=self._lab.name, seen=ascii(host)[:60], names=names)
        return host
