"""What is done to a host from outside: paused, stopped, killed, booted, unplugged; each can be undone.

Theory of operation
    A backend does it, and returns when it is done. What was open on a host that is stopped or killed is gone:
    every use of it raises `EndedError`, which says what happened to the host. After `boot` the host has the
    same name, addresses and sysctls, and nothing runs on it. The context managers undo what they did, however
    their block ends; what the block itself undid, or went beyond (`kill`), stays as the block left it.
"""

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from socketlab.errors import EndedError, LabError, SpecError
from socketlab.hosts.backend import Action, HostState, Machines
from socketlab.hosts.plan import HostPlan
from socketlab.wire.event import Phase


class Actions:
    """The part of a `Host` that changes its state."""

    plan: HostPlan
    _machines: Machines

    @property
    @abstractmethod
    def name(self) -> str:
        """Its hostname."""

    @property
    @abstractmethod
    def state(self) -> HostState:
        """How it stands now."""

    @abstractmethod
    def _refuse_if_closed(self) -> None: ...

    @abstractmethod
    def _changes(self, action: str, phase: Phase, why: str = "") -> None: ...

    @abstractmethod
    def _leave_actor(self, reason: LabError) -> None: ...

    @abstractmethod
    def _booted(self) -> None: ...

    def pause(self) -> None:
        """No program on it gets to run; its kernel goes on: it acknowledges and answers pings.

        Raises:
            HostError: of every action: the host's state does not allow it, or its backend cannot.
        """
        self._act("pause")

    def resume(self) -> None:
        """After `pause`: its programs go on."""
        self._act("resume")

    def kill(self) -> None:
        """End every program at once (SIGKILL), then its links: its peers hear the kernel's FIN, no more."""
        self._act("kill")
        self._leave_actor(EndedError("lab.host-killed", host=self.name))

    def stop(self) -> None:
        """Shut it down: its programs get SIGTERM, and SIGKILL 2 s later."""
        self._act("stop")
        self._leave_actor(EndedError("lab.host-stopped", host=self.name))

    def boot(self) -> None:
        """After `kill` or `stop`: it is back with the same addresses, and no program but its name server."""
        self._act("start", "boot")
        self._booted()

    def restart(self) -> None:
        """`stop` and `boot`."""
        self.stop()
        self.boot()

    def disconnect(self, network: str | None = None) -> None:
        """Pull its cable: its peers hear nothing, and it has no such link any more.

        Args:
            network: which; None: all of its.
        """
        self._each(network, "disconnect", lambda name: self._plug(name, connected=False))

    def reconnect(self, network: str | None = None) -> None:
        """After `disconnect`: the same addresses and routes."""
        self._each(network, "reconnect", lambda name: self._plug(name, connected=True))

    def link_down(self, network: str | None = None) -> None:
        """Set its link down, as `ip link set eth0 down` does: it knows that it has no network.

        Args:
            network: which; None: all of its.
        """
        self._each(network, "link-down", lambda name: self._link(name, up=False))

    def link_up(self, network: str | None = None) -> None:
        """After `link_down`: with the routes that it had."""
        self._each(network, "link-up", lambda name: self._link(name, up=True))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Paused for the length of a block."""
        self.pause()
        with self._afterwards({"paused"}, self.resume):
            yield

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stopped for the length of a block."""
        self.stop()
        with self._afterwards({"stopped"}, self.boot):
            yield

    @contextmanager
    def disconnected(self, network: str | None = None) -> Iterator[None]:
        """Disconnected for the length of a block."""
        self.disconnect(network)
        with self._afterwards({"running", "paused"}, lambda: self.reconnect(network)):
            yield

    @contextmanager
    def link_is_down(self, network: str | None = None) -> Iterator[None]:
        """With its link down for the length of a block."""
        self.link_down(network)
        with self._afterwards({"running", "paused"}, lambda: self.link_up(network)):
            yield

    @contextmanager
    def _afterwards(self, states: AbstractSet[HostState], undo: Callable[[], None]) -> Iterator[None]:
        """Undo at the end of a block, if the host is in one of these states then."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(LabError):  # the block's own error is the one to be seen
                self._undo(states, undo)
            raise
        self._undo(states, undo)

    def _undo(self, states: AbstractSet[HostState], undo: Callable[[], None]) -> None:
        with contextlib.suppress(EndedError):  # the lab itself is closed
            if self.state in states:
                undo()

    def _act(self, action: Action, name: str = "") -> None:
        with self._told(name or action):
            self._machines.act(self.name, action)

    def _plug(self, network: str, *, connected: bool) -> None:
        self._machines.plug(self.name, network, connected=connected)

    def _link(self, network: str, *, up: bool) -> None:
        self._machines.link(self.name, network, up=up)

    def _each(self, network: str | None, action: str, do: Callable[[str], None]) -> None:
        own = [each.network for each in self.plan.interfaces]
        if network is not None and network not in own:
            raise SpecError("lab.not-plugged", host=self.name, seen=ascii(network), known=", ".join(own))
        with self._told(action):
            for name in own if network is None else [network]:
                do(name)

    @contextmanager
    def _told(self, action: str) -> Iterator[None]:
        """Tell of an action when it begins, and how it ends."""
        self._refuse_if_closed()
        self._changes(action, "started")
        try:
            yield
        except LabError as error:
            self._changes(action, "failed", str(error))
            raise
        self._changes(action, "changed")
