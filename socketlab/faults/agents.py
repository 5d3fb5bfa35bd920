"""One host's agent, at the other end of a held-open stream of `socketlab.wire.message` lines.

Theory of operation
    Whoever asks writes a line and sleeps until the answer with its number has come; any number of threads
    may ask at the same time. A thread reads: an agent also tells what nobody has just asked for, and its end
    must be noticed when it happens. What a watch brings is handed to its function, in that thread.

    Our leases are held by this stream: however it ends, the agent heals them. So a request that was broken
    off (Ctrl-C) must not leave a lease behind that nobody knows: when its answer comes after all, the lease
    is healed at once.
"""

import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from socketlab.errors import AgentError, EndedError, FaultsError
from socketlab.hosts.backend import Stream
from socketlab.wire.errors import FaultError, SocketlabError, WireError
from socketlab.wire.fault import Fault
from socketlab.wire.lease import HeldPacket, Lease, Step
from socketlab.wire.lines import Limits, LineBuffer
from socketlab.wire.message import (
    Add,
    Advance,
    Applied,
    Attach,
    Attached,
    Captured,
    Failure,
    Heal,
    Held,
    HeldPackets,
    Kind,
    KindList,
    Kinds,
    Leases,
    List,
    Log,
    LogPage,
    Message,
    Probe,
    Probed,
    Send,
    Sent,
    Unwatch,
    Watch,
    Watching,
    decode,
    encode,
)

ANSWER: Final = Limits(line=16 * 1024 * 1024, items=4096)
"""Room for every fault that an agent can hold, and for a page of captured packets."""
PATIENCE: Final = 20.0
"""Seconds until an agent must have answered; its host may be busy, its answer never takes long."""
LOG_PAGE: Final = 500
M = TypeVar("M")


class _Pending:
    """A request that waits for its answer."""

    __slots__ = ("abandoned", "answer", "come")

    def __init__(self) -> None:
        self.come = threading.Event()
        self.answer: Message | None = None
        self.abandoned = False


class Agent:
    """A host's agent.

    Args:
        stream: to it; ours from now on.
        host: its name, for errors.
        on_end: called once, in the reading thread, when the stream has ended and was not closed by us.

    Raises:
        FaultsError: it does not answer.
    """

    def __init__(self, stream: Stream, host: str, on_end: Callable[["Agent"], None] = lambda _: None) -> None:
        self.host = host
        self._stream = stream
        self._on_end = on_end
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._watches: dict[int, Callable[[Message], None]] = {}
        self._end: str | None = None
        self._closed = False
        threading.Thread(target=self._read, name=f"agent of {host}", daemon=True).start()
        try:
            self._ask(Attach, Attached)
        except BaseException:
            self.close()
            raise

    @property
    def ended(self) -> bool:
        """Whether it is known to be gone, or was closed."""
        return self._closed or self._end is not None

    # -- what can be asked

    def add(self, fault: Fault, seconds: float | None = None) -> Lease:
        """Put a fault in force, held by this stream.

        Args:
            fault: with its peers' addresses.
            seconds: heal it after that long.

        Raises:
            AgentError: of everything that is asked: the agent said no.
            FaultsError: of everything that is asked: the agent is away.
        """
        return self._ask(
            lambda number: Add(id=number, fault=fault, seconds=seconds, holder="client"), Applied
        ).lease

    def heal(self, lease: str) -> Lease:
        """Take a fault out; the lease as it was last."""
        return self._ask(lambda number: Heal(number, lease), Leases).leases[0]

    def leases(self) -> tuple[Lease, ...]:
        """Every fault in force there, also those of others."""
        return self._ask(List, Leases).leases

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of fault."""
        return self._ask(Kinds, KindList, 3 * PATIENCE).kinds

    def log(self, lease: str | None = None, after: int = 0) -> LogPage:
        """A page of what its emulator has done: the entries after that number."""
        return self._ask(lambda number: Log(id=number, lease=lease, after=after, most=LOG_PAGE), LogPage)

    def held(self, lease: str | None = None) -> tuple[HeldPacket, ...]:
        """The packets that wait for a word."""
        return self._ask(lambda number: Held(number, lease), HeldPackets).packets

    def advance(self, packet: int, step: Step) -> tuple[HeldPacket, ...]:
        """Let a held packet go, or not; those that still wait."""
        return self._ask(lambda number: Advance(number, packet, step), HeldPackets).packets

    def open_probe(self, port: int, direction: str, lease: str | None = None) -> None:
        """Make ready for probes from that port: a twin of a fault, and a sink behind it."""
        way = "in" if direction == "in" else "out"
        self._ask(lambda number: Probe(id=number, do="open", port=port, lease=lease, direction=way), Probed)  # type: ignore[arg-type]

    def read_probe(self, port: int) -> Probed:
        """What became of the probes so far."""
        return self._ask(lambda number: Probe(id=number, do="read", port=port), Probed)

    def close_probe(self, port: int) -> Probed:
        """Clear away; what became of the probes."""
        return self._ask(lambda number: Probe(id=number, do="close", port=port), Probed)

    def send(self, packet: bytes) -> None:
        """Send an IP packet from that host."""
        self._ask(lambda number: Send(number, packet), Sent)

    def watch(self, told: Callable[[Message], None], **wishes: Any) -> int:
        """Have a function told of what happens (`wire.message.Watch`), in the reading thread.

        Args:
            told: given `Leases`, `LogPage`, `HeldPackets`, `Captured`; must be quick, and ask nothing here.
            **wishes: of `Watch`.

        Returns:
            the number that `unwatch` takes.
        """
        kept: list[int] = []

        def make(number: int) -> Watch:
            kept.append(number)
            self._watches[number] = told  # before the request: what is pushed may come on the heels of it
            return Watch(id=number, **wishes)

        try:
            self._ask(make, Watching)
        except BaseException:
            self._watches.pop(kept[0], None)
            raise
        return kept[0]

    def unwatch(self, watch: int) -> None:
        """End a watch; everything has been told when this returns."""
        try:
            self._ask(lambda number: Unwatch(number, watch), Watching)
        finally:
            self._watches.pop(watch, None)

    def close(self) -> None:
        """End the stream, and with it our leases. Any number of times."""
        self._closed = True
        self._stream.close()

    # -- the stream

    def _ask(self, make: Callable[[int], Message], expected: type[M], patience: float = PATIENCE) -> M:
        number = next(self._numbers)
        pending = _Pending()
        line = encode(make(number))
        with self._lock:
            if self.ended:
                raise self._away()
            self._pending[number] = pending
        try:
            self._send(line)
            self._await(pending, patience)
        except BaseException:
            with self._lock:
                pending.abandoned = True
                if pending.answer is not None:
                    self._forget(pending.answer)
            raise
        answer = pending.answer
        if answer is None:
            raise self._away()
        if isinstance(answer, expected):
            return answer
        raise _as_error(answer)

    def _await(self, pending: _Pending, patience: float) -> None:
        if not pending.come.wait(patience):
            raise FaultsError("faults.agent-silent", host=self.host, seconds=f"{patience:g}")

    def _send(self, line: bytes) -> None:
        try:
            self._stream.send(line)
        except (EndedError, OSError) as error:
            self._stop(str(error))
            raise self._away() from error

    def _away(self) -> FaultsError:
        return FaultsError("faults.agent-away", host=self.host, why=self._end or "-")

    def _read(self) -> None:
        why = ""
        lines = LineBuffer(ANSWER.line)
        try:
            while data := self._stream.receive(None):
                for line in lines.feed(data):
                    self._take(decode(line, ANSWER))
        except (SocketlabError, OSError) as error:
            why = str(error)
        last_words = getattr(self._stream, "last_words", "")
        self._stop(why or last_words or "EOF")
        self._stream.close()
        if not self._closed:
            self._on_end(self)

    def _take(self, message: Message) -> None:
        number = getattr(message, "id", None)
        if not isinstance(number, int):
            raise WireError("wire-message", expected="an answer", seen=ascii(message)[:200])
        with self._lock:
            pending = self._pending.pop(number, None)
            if pending is not None:
                pending.answer = message
                if pending.abandoned:
                    self._forget(message)
                pending.come.set()
                return
        told = self._watches.get(number)
        if told is not None:
            told(message)

    def _forget(self, answer: Message) -> None:
        """Nobody knows of what this answer tells: with the lock held."""
        if isinstance(answer, Applied):
            number = next(self._numbers)
            self._pending[number] = _Pending()
            heal = encode(Heal(number, answer.lease.id))

            def send() -> None:
                with suppress(EndedError, OSError):
                    self._stream.send(heal)

            threading.Thread(target=send, daemon=True).start()  # the reader must not wait for its own reading

    def _stop(self, why: str) -> None:
        with self._lock:
            if self._end is None:
                self._end = why
            waiting, self._pending = list(self._pending.values()), {}
        for pending in waiting:
            pending.come.set()


def _as_error(answer: Message) -> SocketlabError:
    match answer:
        case Failure(code=code, details=details):
            fields = {detail.name: detail.value for detail in details}
            kind = FaultError if code.startswith("fault-") else AgentError
            return kind(code, **fields)
        case other:
            return WireError("wire-message", expected="the answer to what was asked", seen=ascii(other)[:200])


__all__ = ["Agent", "Captured"]
