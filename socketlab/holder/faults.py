"""The faults of a held lab, as commands ask for them: words in, plain values out.

Theory of operation
    The lab's own board does the work, so its faults are held by this process: they outlive the command that
    asked for them, are put in force again when a host restarts, and go with the lab. Commands send words, and
    get what `protocol` has classes for.

    Who watches is told by lines, one whenever something has changed. The board's callbacks only wake the
    thread that writes them; it then looks at everything anew, so nothing is lost when much happens at once,
    and rests a moment, so a storm of packets is a few lines a second.
"""

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any, Final, cast

from socketlab.errors import FaultsError
from socketlab.faults.words import fault_of_lab
from socketlab.holder.protocol import FaultAbout, FaultAsk, HeldAbout, plain, write_answer
from socketlab.hosts.lab import Lab
from socketlab.wire.errors import SocketlabError
from socketlab.wire.lease import LogEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from socketlab.faults.board import Board
    from socketlab.faults.lease import Status
    from socketlab.faults.watching import Told

_REST_SECONDS: Final = 0.1
_NEWEST: Final = 500
"""Log entries that one line may bring."""


class HeldFaults:
    """What commands may do to the faults of a lab. Its methods are called from any thread.

    Args:
        lab: open, and ours.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    @property
    def board(self) -> "Board":
        """The lab's faults."""
        return cast("Board", self._lab.faults)

    def do(self, ask: FaultAsk) -> dict[str, Any]:
        """What a request gives, as plain values.

        Raises:
            SocketlabError: why it does not.
        """
        doing: dict[str, Callable[[FaultAsk], dict[str, Any]]] = {
            "add": self._add,
            "heal": self._heal,
            "log": lambda ask: {"log": plain(self.log(ask.lease, ask.after)[-ask.most :])},
            "held": lambda ask: {"held": plain(self.held(ask.lease))},
            "step": self._step,
            "kinds": self._kinds,
        }
        return doing.get(ask.op, self._list)(ask)

    def _add(self, ask: FaultAsk) -> dict[str, Any]:
        fault = fault_of_lab(ask.words)
        lease = self.board.apply(fault, ask.seconds, on=ask.host, verify=ask.verify)
        proven = lease.proof is not None and bool(lease.proof.seen)
        return {"lease": plain(about_of(lease.status())), "proven": proven}

    def _list(self, ask: FaultAsk) -> dict[str, Any]:
        """Faults, and by hosts the ids that agents have for what these are made of."""
        leases = self.leases(ask.lease, ask.host)
        parts: dict[str, list[str]] = {}
        for lease in self.board.list():
            for part in lease.parts:
                agents = getattr(part, "lease", None)
                if agents is not None:
                    parts.setdefault(part.host, []).append(agents.id)
        return {"leases": plain(leases), "parts": parts}

    def leases(self, lease: str | None = None, host: str | None = None) -> tuple[FaultAbout, ...]:
        """The faults in force, asked now.

        Args:
            lease: only that one, if it is in force.
            host: only those on it.
        """
        return tuple(
            about_of(each)
            for each in self.board.statuses()
            if lease in {None, each.id} and (host is None or host in each.hosts)
        )

    def _heal(self, ask: FaultAsk) -> dict[str, Any]:
        """Heal one, or all; as each was last."""
        board = self.board
        if ask.host is not None:
            board.on(ask.host)  # such a host there is
        leases = board.list() if ask.lease is None else (board.lease(ask.lease),)
        chosen = [each for each in leases if ask.host is None or ask.host in each.hosts]
        failed: SocketlabError | None = None
        try:
            board.heal_those(chosen)
        except SocketlabError as error:
            failed = error
        if failed is not None:
            raise failed
        return {"leases": plain(tuple(about_of(each.status()) for each in chosen))}

    def log(self, lease: str | None, after: int = 0) -> tuple[LogEntry, ...]:
        """What the emulators did, of one fault or all, by time; each entry names the lab's lease."""
        found = [dataclasses.replace(entry, lease=name) for name, entry in self.board.log(lease)]
        new = [entry for entry in found if entry.number > after]
        return tuple(sorted(new, key=lambda entry: (entry.at_ns, entry.number)))

    def held(self, lease: str | None) -> tuple[HeldAbout, ...]:
        """The packets that wait, of one fault or all, the oldest first."""
        found = [
            HeldAbout(
                host=each.host,
                lease=each.lease or "",
                number=each.packet.number,
                at_ns=each.packet.at_ns,
                flow=each.packet.flow,
                summary=each.packet.summary,
                length=each.packet.length,
            )
            for each in self.board.held(lease)
        ]
        return tuple(sorted(found, key=lambda packet: (packet.at_ns, packet.number)))

    def _step(self, ask: FaultAsk) -> dict[str, Any]:
        """Let one packet go, or not; those that still wait."""
        waiting = self.held(ask.lease)
        chosen = [each for each in waiting if each.number == ask.packet]
        if not chosen:
            known = ", ".join(str(each.number) for each in waiting[:20]) or "-"
            raise FaultsError("holder.faults.no-packet", seen=ask.packet, known=known)
        if len(chosen) > 1:
            known = ", ".join(each.lease for each in chosen)
            raise FaultsError("holder.faults.packet-twice", seen=ask.packet, known=known)
        self.board.advance(chosen[0].host, ask.packet, ask.step)
        return {"held": plain(self.held(ask.lease))}

    def _kinds(self, ask: FaultAsk) -> dict[str, Any]:
        names = list(self._lab.hosts) if ask.host is None else [ask.host]
        return {"hosts": {name: plain(self.board.kinds(name)) for name in names}}

    def watch(self, lease: str | None = None) -> "WatchStream":
        """What changes from now on, as lines.

        Args:
            lease: of this fault only; None: of all.
        """
        if lease is not None:
            self.board.lease(lease)
        return WatchStream(self, lease)


def about_of(status: "Status") -> FaultAbout:
    """What is told of a fault."""
    return FaultAbout(
        id=status.id,
        fault=status.words,
        hosts=status.hosts,
        seconds_left=status.seconds_left,
        bitten=status.bitten,
        seen=status.seen,
        overflow=status.overflow,
        by=status.by,
        trouble=status.trouble,
    )


class WatchStream:
    """What changes in a lab's faults, as a `Stream` of lines; the first says how it is now.

    Args:
        faults: of the lab.
        lease: only this one; None: all.
    """

    def __init__(self, faults: HeldFaults, lease: str | None) -> None:
        self._faults = faults
        self._lease = lease
        self._closed = threading.Event()
        self._woken = threading.Event()
        self._woken.set()
        self._anew = True
        self._leave: Callable[[], None] = lambda: None
        self._last: Any = None
        self._logged: set[tuple[str, int]] = set()

    def send(self, data: bytes) -> None:
        """Nothing is to be said to it."""

    def receive(self, timeout: float | None) -> bytes:
        """The next line, as soon as something has changed; `b""` when it was closed.

        Raises:
            TimeoutError: nothing has changed within `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closed.is_set():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._woken.wait(left):
                raise TimeoutError
            self._woken.clear()
            if self._closed.is_set():
                break
            if self._anew:
                self._watch_anew()
            if line := self._changed():
                return line
            time.sleep(_REST_SECONDS)
        return b""

    def _told(self, told: "Told") -> None:
        """In a thread of the board's: something has changed. A lease that came may be on a new host."""
        self._anew = self._anew or not told.host
        self._woken.set()

    def _watch_anew(self) -> None:
        self._anew = False
        self._leave()
        self._leave = self._faults.board.watch(self._told)

    def _changed(self) -> bytes:
        leases = self._faults.leases(self._lease)
        lease = self._lease if leases else None
        is_over = self._lease is not None and not leases
        log = () if is_over else self._faults.log(lease)
        new = [entry for entry in log if (entry.lease, entry.number) not in self._logged][-_NEWEST:]
        self._logged = {(entry.lease, entry.number) for entry in log}
        held = () if is_over else self._faults.held(lease)
        state = [dataclasses.replace(each, seconds_left=None) for each in leases], held
        if not new and state == self._last:
            return b""
        self._last = state
        return write_answer({"leases": plain(leases), "log": plain(tuple(new)), "held": plain(held)})

    def close(self) -> None:
        """End it; a thread inside `receive` comes back."""
        self._closed.set()
        self._woken.set()
        self._leave()
