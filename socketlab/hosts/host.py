"""A host, as its user holds it: sockets, programs, and what is done to it."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from socketlab.errors import EndedError, LabError
from socketlab.hosts import names, running, serving
from socketlab.hosts.actions import Actions
from socketlab.hosts.backend import HostState, Machines, Stream
from socketlab.hosts.events import Events
from socketlab.hosts.faulting import Faulting, HostFaults
from socketlab.hosts.functions import Functions
from socketlab.hosts.plan import HostPlan
from socketlab.hosts.programs import Argument, Completed, Program, start
from socketlab.hosts.ready import Ready, start_ready
from socketlab.hosts.serving import Service
from socketlab.sockets import Actor
from socketlab.sockets.host_event import HostEvent
from socketlab.wire.event import Event, Phase

_OUR_OWN: Final = frozenset(
    f"call.{name}" for name in ("about", "clock", "forget", "put", "read", "sockets", "wait", "write")
)
"""Calls that we make for ourselves, a program's streams among them; they are nobody's socket calls."""


class _Told:
    """A host's stream that tells why it has ended, once somebody knows."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.reason: LabError | None = None

    def send(self, data: bytes) -> None:
        try:
            self._stream.send(data)
        except (EndedError, OSError):
            if self.reason:
                raise self.reason from None
            raise

    def receive(self, timeout: float | None) -> bytes:
        data = b"" if self.reason else self._stream.receive(timeout)
        if not data and self.reason:
            raise self.reason
        return data

    def close(self) -> None:
        self._stream.close()


class Host(Functions, Actions):
    """One machine of a lab.

    Args:
        plan: what it is.
        machines: the lab in its backend's hands.
        events: of the lab.
        faulting: of the lab.
    """

    def __init__(self, plan: HostPlan, machines: Machines, events: Events, faulting: Faulting) -> None:
        self.plan = plan
        self._machines = machines
        self._events = events
        self._faulting = faulting
        self._lock = threading.Lock()
        self._actor: Actor | None = None
        self._stream: _Told | None = None
        self._past: list[Actor] = []
        self._closed: LabError | None = None

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.address}>"

    @property
    def name(self) -> str:
        """Its hostname."""
        return self.plan.name

    @property
    def address(self) -> str:
        """Its IPv4 address on its first network."""
        return str(self.plan.interfaces[0].address.ip)

    @property
    def address6(self) -> str | None:
        """Its IPv6 address on its first network; None: that has no IPv6."""
        address6 = self.plan.interfaces[0].address6
        return str(address6.ip) if address6 else None

    @property
    def addresses(self) -> dict[str, tuple[str, str | None]]:
        """Its IPv4 and IPv6 address on each of its networks, by the network's name."""
        return {
            each.network: (str(each.address.ip), str(each.address6.ip) if each.address6 else None)
            for each in self.plan.interfaces
        }

    @property
    def state(self) -> HostState:
        """How it stands now."""
        self._refuse_if_closed()
        return self._machines.states()[self.name]

    @property
    def actor(self) -> Actor:
        """What makes its calls; a new one after the host was booted.

        Raises:
            HostError: the host does not run.
            EndedError: its lab is closed.
        """
        with self._lock:
            if self._actor is None or self._actor.ended:
                self._refuse_if_closed()
                if self._actor is not None:
                    self._past.append(self._actor)
                self._stream = _Told(self._machines.actor(self.name))
                self._actor = Actor(self._stream, host=self.name, events=self._happened)
            return self._actor

    @property
    def clock_offset_ns(self) -> int:
        """What to add to a time of this machine's monotonic clock to have that of the host's."""
        return self.actor.offset_ns

    @property
    def last_clock_offset_ns(self) -> int:
        """`clock_offset_ns` as far as it is known: no actor is made, and nothing asked, for it."""
        actor = self._actor
        return actor.known_offset_ns if actor else 0

    @property
    def faults(self) -> HostFaults:
        """What is wrong with its network: `host.faults.apply(drop(peer=client, port=7000))`."""
        self._refuse_if_closed()
        return self._faulting.of_lab().on(self.name)

    def _happened(self, happened: HostEvent) -> None:
        if happened.name not in _OUR_OWN:
            self._events.add(happened)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise self._closed

    def _changes(self, action: str, phase: Phase, why: str = "") -> None:
        """Tell that something is done to the host, on its clock as it was last known."""
        offset = self._actor.offset_ns if self._actor else 0
        at = time.monotonic_ns() + offset
        event = Event(name=f"host.{action}", phase=phase, at_ns=at, said=why)
        self._events.add(HostEvent(self.name, event.name, lambda: event))

    def _leave_actor(self, reason: LabError) -> None:
        """The host is gone, and with it all that was open on it: say why to whoever uses it next."""
        self._faulting.gone(self.name)
        with self._lock:
            actor, self._actor = self._actor, None
            stream, self._stream = self._stream, None
        if actor and stream:
            stream.reason = reason
            stream.close()
            actor.look()
            self._past.append(actor)

    def _booted(self) -> None:
        self.serve_names()
        self._faulting.back(self.name)

    def serve_names(self) -> None:
        """Start the lab's name server, if this is its host; returns when it answers.

        Raises:
            ProgramError: it does not; its own words say why.
        """
        if self.plan.role == "names":
            addresses = [address for pair in self.addresses.values() for address in pair if address]
            names.start(self.actor, self.name, self.plan.records, addresses)

    def close(self, reason: LabError) -> None:
        """End its actor; from now on everything asked of it raises `reason`.

        Raises:
            CallError: somebody began a call that failed or still runs, and did not wait for it.
        """
        with self._lock:
            self._closed = reason
            actors = [*self._past, self._actor] if self._actor else self._past
            self._past, self._actor = [], None
        for actor in actors:
            actor.close()

    def sockets(self) -> list[dict[str, Any]]:
        """The kernel's table of the sockets on this host, as ss(8) shows them."""
        rows: list[dict[str, Any]] = self.actor.call("sockets")
        return rows

    def run(
        self,
        argv: Sequence[Argument],
        input: bytes = b"",  # noqa: A002 - as subprocess.run calls it
        timeout: float | None = 60,
        env: Mapping[str, str] | None = None,
        *,
        check: bool = False,
    ) -> Completed:
        """Run a program to its end.

        Args:
            argv: the program, found on the host's PATH, and its arguments.
            input: what it reads on its standard input.
            timeout: seconds; it is killed when they are over. None: as long as it takes.
            env: variables that it gets besides the host's own; by env(1), which ends with 127 in place of
                FileNotFoundError.
            check: another exit code than 0 is an error.

        Raises:
            ProgramTimeoutError: it took longer; its `completed` has what it said.
            ProgramError: it said too much, or (`check`) failed.
            OSError: the host cannot start it: `FileNotFoundError`.
        """
        return running.run(self.actor, self.name, argv, input=input, timeout=timeout, env=env, check=check)

    def start(
        self,
        argv: Sequence[Argument],
        env: Mapping[str, str] | None = None,
        ready: Ready | None = None,
        timeout: float = 10,
        tty: tuple[int, int] | None = None,
    ) -> Program:
        """Start a program and talk with it: `stdin`, `stdout`, `stderr`, signals, `wait`.

        Args:
            argv: the program, found on the host's PATH, and its arguments.
            env: variables that it gets besides the host's own.
            ready: what it says when it is ready, on either stream: a text or a regular expression; or a
                function that is given the program, and asked until it says yes. None: nobody waits.
            timeout: seconds within which it must be ready.
            tty: rows and columns of a terminal that it gets in place of pipes.

        Raises:
            ProgramError: it ended, or did not get ready in time (`ProgramTimeoutError`); it is ended then.
            OSError: the host cannot start it: `FileNotFoundError`.
        """
        if ready is None:
            return start(self.actor, self.name, argv, env=env, tty=tty, kind=Program)
        return start_ready(self.actor, self.name, argv, ready, timeout, env=env, tty=tty)

    def serve(  # noqa: PLR0913 - the options of one server
        self,
        program: str | os.PathLike[str] | None = None,
        *,
        style: str = "threaded",
        protocol: str = "echo",
        port: int | None = None,
        transport: str = "tcp",
        address: str | None = None,
        arguments: Sequence[Argument] = (),
        env: Mapping[str, str] | None = None,
        timeout: float = 10,
    ) -> Service:
        """Start a server, and return when it serves.

        Args:
            program: a Python file of this machine, which is sent over and run; None: the lab's own server.
            style: of the lab's own: `iterative`, `forking`, `threaded`, `pool`, `prefork`, `select`,
                `epoll`, `asyncio`.
            protocol: of the lab's own: `echo`, `chat`, `framed`, `relay`.
            port: where it serves; None: 7000, and of a file any; 0: one that is free.
            transport: of the lab's own: `tcp`, `udp`, `both`.
            address: of the lab's own, numeric; None: all of the host's.
            arguments: more of its command line.
            env: variables that it gets besides the host's own.
            timeout: seconds within which it must serve.

        Raises:
            SpecError: there is no such file.
            ProgramError: it does not serve: it ended, or listens nowhere, elsewhere, or on loopback only.
        """
        if program is not None:
            return serving.serve_file(
                self.actor, self.name, program, port=port, options=arguments, env=env, timeout=timeout
            )
        return serving.serve_style(
            self.actor,
            self.name,
            style,
            protocol,
            serving.ECHO if port is None else port,
            transport=transport,
            address=address,
            options=arguments,
            env=env,
            timeout=timeout,
        )
