"""The heartbeat: an echo to each target, over and over; a line when something changes.

Theory of operation
    One thread a target: connect a new socket, send bytes that no other beat has sent, wait for exactly these,
    close. A late answer to an earlier beat goes to that beat's socket, which is closed, so it never counts.
    A beat takes as long as `timeout` at most, and one begins every `interval`: a fault shows after their sum
    at the latest. A host that comes back may have another address: after a failure of that kind the name is
    looked up again, beside the beats, since a resolver without an answer takes seconds.
"""

import contextlib
import itertools
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import Final, Literal

from services.client.beat import Beat, History
from services.client.calls import RECV, Address, ToldSocket, resolve
from services.client.console import OUT
from services.client.signals import Stopped
from services.client.steps import FAMILIES
from services.client.words import TIMERS, kind_of
from services.messages import say
from socketlab.wire import Event, Happened, Outcome
from socketlab.wire.fault import Family, Protocol

_KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_MOVED: Final = TIMERS | {"EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED"}
"""What a host that moved to another address leaves behind."""
_LEAST_WAIT: Final = 0.001


@dataclass(frozen=True, slots=True)
class Target:
    """Where to call: an echo service."""

    proto: Protocol
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.proto} {host}:{self.port}"


class _Destination:
    """A target's address in one family, looked up again beside whoever uses it."""

    def __init__(self, target: Target, family: Family) -> None:
        self._target = target
        self._family = FAMILIES[family]
        self._looking = threading.Lock()
        self.address: Address | None = None

    def look_up(self) -> list[Outcome]:
        """Ask the resolver, wait for it, and keep what it says; the outcome is told."""
        told: list[Outcome] = []
        with contextlib.suppress(OSError, ValueError):
            found = resolve(
                self._target.host, self._target.port, self._family, _KINDS[self._target.proto], told.append
            )
            _, self.address = found[0]
        return told

    def refresh(self) -> None:
        """Look up again in a thread, unless one does already."""
        if self._looking.acquire(blocking=False):
            threading.Thread(target=self._refresh, daemon=True).start()

    def _refresh(self) -> None:
        try:
            self.look_up()
        finally:
            self._looking.release()


class _Pulse:
    """The beats of one target in one family."""

    _payloads = itertools.count()

    def __init__(self, target: Target, family: Family, name: str, *, json: bool) -> None:
        self._target = target
        self._family = FAMILIES[family]
        self._destination = _Destination(target, family)
        self._history = History(name, target.proto)
        self._json = json

    def run(self, interval: float, timeout: float, stopping: threading.Event) -> None:
        """Beat until told to stop.

        Args:
            interval: seconds from one beat's start to the next one's.
            timeout: seconds that a beat may take.
            stopping: set when it is over.
        """
        while not stopping.is_set():
            started = time.monotonic()
            self._take(self._beat(timeout))
            stopping.wait(max(0.0, started + interval - time.monotonic()))

    def sum_up(self) -> None:
        """Show the summary."""
        now = time.monotonic_ns()
        self._show(self._history.summary(now), "completed", now, None)

    def _beat(self, timeout: float) -> Beat:
        if self._destination.address is None:
            told = self._destination.look_up()
            if self._destination.address is None:
                return Beat(tuple(told), answered=False)
        return self._echo(self._destination.address, timeout)

    def _echo(self, address: Address, timeout: float) -> Beat:
        told: list[Outcome] = []
        answered = False
        payload = b"beat %d of %d\n" % (next(self._payloads), os.getpid())
        deadline = time.monotonic() + timeout
        with contextlib.suppress(OSError), self._socket(told, timeout) as sock:
            sock.connect(address)
            sock.sendall(payload)
            answered = self._answered(sock, payload, deadline)
        return Beat(tuple(told), answered)

    def _socket(self, told: list[Outcome], timeout: float) -> ToldSocket:
        return ToldSocket(self._family, _KINDS[self._target.proto], told.append, timeout)

    def _answered(self, sock: ToldSocket, payload: bytes, deadline: float) -> bool:
        """Whether exactly `payload` comes back; of datagrams, in any of them.

        Raises:
            OSError: the connection ends otherwise, or the deadline passes.
        """
        stream = self._target.proto == "tcp"
        answer = b""
        while answer != payload:
            sock.settimeout(max(_LEAST_WAIT, deadline - time.monotonic()))
            data = sock.recv(RECV)
            if stream and not data:
                return False
            answer = answer + data if stream else data
        return True

    def _take(self, beat: Beat) -> None:
        if not beat.answered and kind_of(beat.decided) in _MOVED:
            self._destination.refresh()
        line = self._history.take(beat)
        if line is not None:
            self._show(line, "changed", beat.ended_ns, beat.decided)

    def _show(
        self, line: str, phase: Literal["changed", "completed"], at_ns: int, outcome: Outcome | None
    ) -> None:
        if self._json:
            name = f"heartbeat.{self._target.proto}"
            OUT.message(Happened(Event(name=name, phase=phase, at_ns=at_ns, outcome=outcome, said=line)))
        else:
            OUT.line(line)


def heartbeat(
    targets: list[Target], families: tuple[Family, ...], interval: float, timeout: float, *, json: bool
) -> int:
    """Beat until a signal comes, then sum up.

    Args:
        targets: where to call.
        families: IPv4, IPv6 or both.
        interval: seconds from one beat's start to the next one's.
        timeout: seconds that a beat may take.
        json: write lines of the wire.

    Returns:
        the exit code: 0.
    """
    pulses = [
        _Pulse(
            target,
            family,
            say(f"heartbeat.{family}", target=target) if len(families) > 1 else str(target),
            json=json,
        )
        for target in targets
        for family in families
    ]
    stopping = threading.Event()
    threads = [
        threading.Thread(target=pulse.run, args=(interval, timeout, stopping), daemon=True)
        for pulse in pulses
    ]
    for thread in threads:
        thread.start()
    try:
        threading.Event().wait()
    except Stopped:
        stopping.set()
    for thread in threads:
        thread.join(timeout)  # the last beat still counts; a look-up that takes longer does not
    for pulse in pulses:
        pulse.sum_up()
    return 0
