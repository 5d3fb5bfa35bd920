"""A lab: its hosts, its owner's `with` block, and the way in, `lab()`.

Theory of operation
    Opening has three steps: the backend makes the hosts, an actor is reached on each (all at once), and what
    the lab itself runs is started and waited for: its name server first, then the servers of a file. An error
    in any of them takes away what the steps before made. Closing ends the actors, and with them every program
    and socket; then the backend takes the hosts away. A call that somebody began and never waited for is an
    error then, unless another error is already on its way.
"""

import difflib
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from socketlab.errors import CallError, EndedError, HostError, LabError, SpecError
from socketlab.hosts import auto, selecting
from socketlab.hosts.backend import Backend, Machines
from socketlab.hosts.events import Events
from socketlab.hosts.faulting import Faulting, LabFaults
from socketlab.hosts.host import Host
from socketlab.hosts.plan import LabPlan
from socketlab.hosts.resolve import check
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec
from socketlab.sockets import Socket
from socketlab.sockets.host_event import HostEvent

_AT_ONCE: Final = 16
"""Actors that are reached at the same time."""


class Lab:
    """Some hosts on private networks. A context manager: the lab is there for the length of its block.

    Args:
        spec: what it is.
        backend: `auto`, `docker`, `namespace`, or a backend.
        services: servers that are started with it: options of `Host.serve`, by host.

    Raises:
        SpecError: it makes no sense.
    """

    owns_hosts = True
    """Whether its hosts go when it is closed."""

    def __init__(
        self,
        spec: LabSpec,
        backend: str | Backend = "auto",
        services: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType({}),
    ) -> None:
        self._check(spec)
        self.spec = spec
        self._asked = backend
        self._services = services
        self._machines: Machines | None = None
        self._hosts: dict[str, Host] = {}
        self._chosen: auto.Chosen | None = None
        self._events = Events()
        self._faulting = Faulting(self)
        self._closed = False

    @staticmethod
    def _check(spec: LabSpec) -> None:
        """Refuse a lab that makes no sense; one that somebody else has made already is as it is."""
        check(spec)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], backend: str | Backend | None = None) -> "Lab":
        """A lab as a YAML file describes it (`lab.schema.json`).

        Args:
            path: of the file.
            backend: takes the place of the file's own.

        Raises:
            SpecError: the file cannot be read, or makes no sense: line, column and key are told.
        """
        from socketlab.hosts import file  # noqa: PLC0415 - YAML costs who writes Python 12 ms

        found = file.read(path)
        return cls(found.spec, found.backend if backend is None else backend, found.services)

    @property
    def name(self) -> str:
        """Its name, also of the label of all that it owns."""
        return self.spec.name

    @property
    def backend(self) -> str:
        """What its hosts are made by: `docker` or `namespace`."""
        return self._choice.backend.name

    @property
    def why(self) -> str:
        """Why this backend, in a sentence."""
        return self._choice.why

    @property
    def _choice(self) -> auto.Chosen:
        if self._chosen is None:
            self._chosen = auto.choose(self._asked)
        return self._chosen

    @property
    def plan(self) -> LabPlan:
        """Its networks and hosts, with every address."""
        return self._open_machines().plan

    @property
    def machines(self) -> Machines:
        """The lab in its backend's hands: streams to agents come from there."""
        return self._open_machines()

    @property
    def hosts(self) -> Mapping[str, Host]:
        """Its hosts, by name."""
        self._open_machines()
        return MappingProxyType(self._hosts)

    @property
    def faults(self) -> LabFaults:
        """What is wrong with it: `lab.faults.apply(partition([a], [b, c]))`; of one host: `host.faults`."""
        self._open_machines()
        return self._faulting.of_lab()

    def tell(self, happened: HostEvent) -> None:
        """Add what has happened on a host to its events, and tell who has subscribed."""
        self._events.add(happened)

    @property
    def events(self) -> deque[HostEvent]:
        """What happened on its hosts: the newest ones, the newest last."""
        return self._events.kept

    def subscribe(self, callback: Callable[[HostEvent], object]) -> Callable[[], None]:
        """Have a function told of each event from now on, in the thread that learns of it.

        Args:
            callback: must be quick, and not make calls on a host.

        Returns:
            a function that ends it.
        """
        return self._events.subscribe(callback)

    def select(
        self,
        rlist: Iterable[Socket],
        wlist: Iterable[Socket],
        xlist: Iterable[Socket],
        timeout: float | None = None,
    ) -> tuple[list[Socket], list[Socket], list[Socket]]:
        """As `select.select`, with sockets of any of its hosts.

        Args:
            rlist: to be waited for until they can be read.
            wlist: until they can be written.
            xlist: until they have something exceptional.
            timeout: seconds; None: as long as it takes.
        """
        return selecting.select(rlist, wlist, xlist, timeout)

    def __getitem__(self, name: str) -> Host:
        self._open_machines()
        if name in self._hosts:
            return self._hosts[name]
        raise KeyError(self._no_host(name))

    def __getattr__(self, name: str) -> Host:
        hosts = self.__dict__.get("_hosts", {})
        if name in hosts:
            return hosts[name]  # type: ignore[no-any-return]
        if name.startswith("_") or "spec" not in self.__dict__:
            raise AttributeError(name)
        if any(host.name == name for host in self.spec.hosts):
            self._open_machines()
        raise AttributeError(self._no_host(name), name=name, obj=self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._hosts if name.isidentifier())]

    def _no_host(self, name: str) -> str:
        known = [host.name for host in self.spec.hosts]
        alike = difflib.get_close_matches(name.replace("_", "-"), known, n=1, cutoff=0.6)
        fields = {"lab": self.name, "seen": ascii(name), "known": ", ".join(known)}
        if alike:
            return str(SpecError("lab.no-host-alike", **fields, alike=alike[0]))
        return str(SpecError("lab.no-host", **fields))

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._machines else "not open yet"
        return f"<Lab {self.name} ({', '.join(host.name for host in self.spec.hosts)}) {state}>"

    def _open_machines(self) -> Machines:
        if self._closed:
            raise EndedError("lab.closed", lab=self.name)
        if self._machines is None:
            raise HostError("lab.not-open", lab=self.name)
        return self._machines

    def open(self) -> Self:
        """Make it; returns when its hosts answer and what it runs itself is ready.

        Raises:
            BackendError: this machine or its engine cannot; nothing is left behind.
            HostError: it is open, or was closed: make another.
        """
        if self._closed or self._machines is not None:
            raise HostError("lab.opened", lab=self.name)
        self._machines = self._choice.backend.open(self.spec)
        try:
            for plan in self._machines.plan.hosts:
                self._hosts[plan.name] = Host(plan, self._machines, self._events, self._faulting)
            _at_once([lambda host=host: host.actor for host in self._hosts.values()])  # type: ignore[misc]
            for host in self._hosts.values():
                host.serve_names()
            for name, services in self._services.items():
                for options in services:
                    self._hosts[name].serve(**options)
        except BaseException:
            self._close(quiet=True)
            raise
        return self

    def close(self) -> None:
        """Take it away; returns when it is gone. Any number of times.

        Raises:
            CallError: a call on one of its hosts failed or still ran, and nobody had waited for it.
        """
        self._close(quiet=False)

    def _close(self, *, quiet: bool) -> None:
        if self._closed or self._machines is None:
            self._closed = True
            return
        self._closed = True
        reason = EndedError("lab.closed", lab=self.name)
        found: list[CallError] = []
        try:
            self._faulting.close()
            for host in self._hosts.values():
                try:
                    host.close(reason)
                except CallError as error:
                    found.append(error)
                except LabError:
                    pass  # its end was what we wanted
        finally:
            self._machines.close()
        if found and not quiet:
            for other in found[1:]:
                found[0].add_note(str(other))
            raise found[0]

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(quiet=error is not None)


def _at_once(steps: Sequence[Callable[[], object]]) -> None:
    """Take all steps, some at a time; the first error of any, once all have ended."""
    waiting = deque(steps)
    errors: list[BaseException] = []

    def work() -> None:
        while True:
            try:
                step = waiting.popleft()
            except IndexError:
                return
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - raised by who asked
                errors.append(error)
                waiting.clear()

    threads = [threading.Thread(target=work) for _ in range(min(len(steps), _AT_ONCE) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def lab(
    name: str | None = None,
    hosts: Iterable[str | HostSpec] = ("client", "server"),
    networks: Iterable[str | NetworkSpec] = (),
    *,
    backend: str | Backend = "auto",
    ipv6: bool = True,
    offload: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Lab:
    """Some hosts on private networks, for the length of a `with` block.

        with lab("demo", hosts=["client", "server"]) as demo:
            demo.client.socket().connect((demo.server.address, 7000))

    Args:
        name: of the lab; None: one that nobody else has.
        hosts: names, or more of each (`HostSpec`).
        networks: names, or more of each; none: one, `lab`.
        backend: `auto`, `docker`, `namespace`, or a backend.
        ipv6: whether its networks have IPv6 as well.
        offload: leave the kernel's offloads on, so that a packet may be more than a segment.
        labels: more labels for all that it owns.

    Raises:
        SpecError: it makes no sense.
    """
    for several in (hosts, networks):
        if isinstance(several, str | bytes):
            raise SpecError("lab.text", seen=ascii(several))
    spec = LabSpec(
        name=f"lab-{secrets.token_hex(3)}" if name is None else name,
        hosts=tuple(each if isinstance(each, HostSpec) else HostSpec(name=each) for each in hosts),
        networks=tuple(
            each if isinstance(each, NetworkSpec) else NetworkSpec(name=each) for each in networks
        ),
        ipv6=ipv6,
        offload=offload,
        labels=dict(labels or {}),
    )
    return Lab(spec, backend)
