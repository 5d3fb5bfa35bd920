"""What a backend must do: make a lab's hosts, reach the programs on them, change their state, clear away.

Theory of operation
    `Backend.open` makes all hosts of a lab and returns when each has an actor that can be reached. What it
    returns, a `Machines`, is the lab in the backend's hands. Host and Lab stand on these few methods and
    never ask which backend they are on. A `Stream` is one two-way stream of bytes to a program on a host: its
    end is the program's end, and closing it ends an actor.
"""

from typing import Literal, Protocol, TypeAlias

from socketlab.hosts.plan import LabPlan
from socketlab.hosts.spec import LabSpec

HostState: TypeAlias = Literal["running", "paused", "stopped"]
Action: TypeAlias = Literal["pause", "resume", "kill", "stop", "start"]


class Stream(Protocol):
    """Bytes to and from a program on a host."""

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            EndedError: the program, its host or the engine is gone.
        """

    def receive(self, timeout: float | None) -> bytes:
        """What has arrived, as soon as there is something; `b""` at the end of the stream.

        Raises:
            TimeoutError: nothing has arrived within `timeout` seconds.
        """

    def close(self) -> None:
        """End it. A thread inside `receive` comes back with `b""`."""


class Machines(Protocol):
    """A lab as a backend holds it."""

    plan: LabPlan

    def actor(self, host: str) -> Stream:
        """A stream to a new actor on a host: its first line is a `Hello`.

        Raises:
            HostError: the host does not run.
        """

    def agent(self, host: str) -> Stream:
        """A stream to the host's agent, which is started where none runs yet; it speaks `wire.message`."""

    def act(self, host: str, action: Action) -> None:
        """Change a host's state; returns when it has changed.

        pause: no program on it gets to run, the kernel goes on; resume undoes it. kill: SIGKILL to every
        program and the host's links are gone; stop: SIGTERM first and SIGKILL 2 s later. start: after either,
        with the same name, addresses and sysctls, and no program.

        Raises:
            HostError: it makes no sense in the state that the host is in, or the backend cannot do it.
        """

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect a host from a network, or connect it again with the same addresses and routes."""

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Set a host's link to a network down, or up again with the routes that it had."""

    def states(self) -> dict[str, HostState]:
        """How each host stands, asked now."""

    def close(self) -> None:
        """Remove all of it; returns when it is gone. Any number of times."""


class Backend(Protocol):
    """One way to make hosts."""

    name: str

    def open(self, spec: LabSpec) -> Machines:
        """Make a lab's hosts.

        Raises:
            BackendError: the machine cannot, or the engine is away or says no; nothing is left behind.
        """
