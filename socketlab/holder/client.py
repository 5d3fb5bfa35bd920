"""A command's side of a holder's socket: what it holds, streams to its programs, and its end.

Theory of operation
    `HeldMachines` is a `Machines` like a backend's own, whose lab is another process's: each stream is a
    connection of its own, requests share one, which is made again when the holder has dropped it. Closing
    it leaves the lab alone.
"""

import errno
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from socketlab.errors import BackendError, EndedError, SpecError
from socketlab.holder.protocol import ANSWER, About, Ask, FaultAsk, about, read_answer, write_ask
from socketlab.holder.runtime import Seat, seats
from socketlab.holder.server import peer
from socketlab.hosts.backend import Action, HostState
from socketlab.wire.lines import LineBuffer

ANSWER_SECONDS = 60.0
"""For what a host or an engine may take its time for."""
FAULT_SECONDS = 120.0
"""For a fault that is proven on every pair of a large lab."""
DOWN_SECONDS = 180.0
"""For a large lab on an engine."""
_CHUNK = 256 * 1024


class HeldStream:
    """A stream to a program on a host, over the holder. Any thread may close it.

    Args:
        connection: on which the holder has said that it is one.
        host: for errors.
        first: what came already.
    """

    def __init__(self, connection: socket.socket, host: str, first: bytes = b"") -> None:
        connection.settimeout(None)
        self._connection = connection
        self._host = host
        self._first = first
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            EndedError: the program, its host or the holder is gone.
        """
        try:
            with self._used():
                self._connection.sendall(data)
        except OSError as error:
            raise EndedError("holder.stream", host=self._host) from error

    def receive(self, timeout: float | None) -> bytes:
        """What has arrived, as soon as there is something; `b""` at the end.

        Raises:
            TimeoutError: nothing has arrived within `timeout` seconds.
        """
        if self._first:
            data, self._first = self._first, b""
            return data
        try:
            with self._used():
                arrived = timeout is None or self._arrives(timeout)
                got = self._connection.recv(_CHUNK) if arrived else None
        except OSError:
            return b""
        if got is None:
            raise TimeoutError
        return got

    def _arrives(self, timeout: float) -> bool:
        poller = select.poll()  # not select(2): it takes no descriptor over 1023
        poller.register(self._connection, select.POLLIN)
        return bool(poller.poll(max(0.0, timeout) * 1000))

    def close(self) -> None:
        """End it. A thread inside `receive` comes back."""
        with self._lock:
            self._closed = True
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            if not self._users:
                self._connection.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Keep the descriptor while a thread is in a call on it: its number may be another's right after.

        Raises:
            OSError: it is closed.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, "closed")
            self._users += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._closed and not self._users:
                self._connection.close()

    def __del__(self) -> None:
        self._connection.close()


class HeldMachines:
    """A lab that a holder holds.

    Args:
        seat: where.
        patience: seconds in which the holder must say what it holds.

    Raises:
        EndedError: no holder answers there.
    """

    def __init__(self, seat: Seat, patience: float = ANSWER_SECONDS) -> None:
        self._seat = seat
        self._lock = threading.Lock()
        self._connection: _Conversation | None = None
        self.about: About = about(self._ask(Ask(ask="about"), patience))
        self.plan = self.about.plan

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.about.name

    def actor(self, host: str) -> HeldStream:
        """A stream to a new actor on a host."""
        return self._stream(Ask(ask="actor", host=host))

    def agent(self, host: str) -> HeldStream:
        """A stream to the host's agent."""
        return self._stream(Ask(ask="agent", host=host))

    def act(self, host: str, action: Action) -> None:
        """Change a host's state; returns when it has changed."""
        self._ask(Ask(ask="act", host=host, action=action))

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect a host from a network, or connect it again."""
        self._ask(Ask(ask="plug", host=host, network=network, on=connected))

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Set a host's link to a network down, or up again."""
        self._ask(Ask(ask="link", host=host, network=network, on=up))

    def states(self) -> dict[str, HostState]:
        """How each host stands, asked now."""
        return {host: state for host, state in self._ask(Ask(ask="states")).items()}  # noqa: C416 - typed anew

    def fault(self, ask: FaultAsk) -> dict[str, Any]:
        """Whatever is asked about the lab's faults.

        Raises:
            SocketlabError: why it could not be.
        """
        return self._ask(Ask(ask="fault", fault=ask), FAULT_SECONDS)

    def watch(self, lease: str | None = None) -> HeldStream:
        """What changes in the lab's faults, as lines; the first says how it is now."""
        return self._stream(Ask(ask="fault", fault=FaultAsk(op="watch", lease=lease)))

    def close(self) -> None:
        """Leave the holder; its lab stays."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _ask(self, ask: Ask, patience: float = ANSWER_SECONDS) -> dict[str, Any]:
        with self._lock:
            fresh = self._connection is None
            if self._connection is None:
                self._connection = _Conversation(self._seat)
            try:
                return self._connection.ask(ask, patience)
            except (EndedError, TimeoutError) as error:
                self._connection.close()
                self._connection = None
                if isinstance(error, TimeoutError):
                    raise EndedError(
                        "holder.silent", name=self._seat.name, seconds=f"{patience:g}"
                    ) from error
                if fresh or error.code != "holder.gone":
                    raise
        return self._ask(ask, patience)

    def _stream(self, ask: Ask) -> HeldStream:
        conversation = _Conversation(self._seat)
        try:
            conversation.ask(ask, ANSWER_SECONDS)
            return HeldStream(conversation.connection, ask.host, conversation.rest)
        except TimeoutError as error:
            conversation.close()
            raise EndedError("holder.silent", name=self._seat.name, seconds=f"{ANSWER_SECONDS:g}") from error
        except BaseException:
            conversation.close()
            raise


def down(seat: Seat, timeout: float = DOWN_SECONDS) -> None:
    """Have a lab closed; returns when it is gone.

    Args:
        seat: of its holder.
        timeout: seconds.

    Raises:
        EndedError: the holder went, or was silent for too long, or could not remove all of it.
    """
    conversation = _Conversation(seat)
    try:
        conversation.ask(Ask(ask="down"), timeout)
    except TimeoutError as error:
        pid = peer(conversation.connection).pid
        raise EndedError("holder.hangs", name=seat.name, seconds=f"{timeout:g}", pid=pid) from error
    finally:
        conversation.close()


class _Conversation:
    """One connection, a question and an answer at a time.

    Raises:
        EndedError: no holder answers there.
    """

    def __init__(self, seat: Seat) -> None:
        self._name = seat.name
        self.rest = b""
        try:
            self.connection = seat.connect()
        except OSError as error:
            raise EndedError("holder.gone", name=seat.name) from error
        if not peer(self.connection).is_ours:
            self.connection.close()
            raise BackendError("holder.stranger", path=seat.socket)

    def ask(self, ask: Ask, timeout: float) -> dict[str, Any]:
        """One question, answered.

        Raises:
            SocketlabError: what the holder tells of.
            EndedError: the holder is gone.
            TimeoutError: there was no answer in time.
        """
        deadline = time.monotonic() + timeout
        lines = LineBuffer(ANSWER.line)
        try:
            with suppress(BrokenPipeError):  # it may have said why before it left
                self.connection.sendall(write_ask(ask))
            while True:
                self.connection.settimeout(max(0.001, deadline - time.monotonic()))
                data = self.connection.recv(_CHUNK)
                if not data:
                    raise EndedError("holder.gone", name=self._name)
                head, newline, rest = data.partition(b"\n")
                if found := lines.feed(head + newline):
                    self.rest = rest
                    return read_answer(found[0])
        except TimeoutError:
            raise
        except OSError as error:
            raise EndedError("holder.gone", name=self._name) from error

    def close(self) -> None:
        """End it."""
        self.connection.close()


def find(name: str | None) -> Seat:
    """The seat of a running lab: that name's, or the only one there is.

    Args:
        name: None: the only one.

    Raises:
        EndedError: there is none, or it is only just opening or closing.
        SpecError: several run, and no name was given.
    """
    running = seats()
    if name is None:
        if len(running) > 1:
            raise SpecError("holder.several", names=", ".join(seat.name for seat, _ in running))
        if not running:
            raise EndedError("holder.none")
        name = running[0][0].name
    for seat, standing in running:
        if seat.name == name:
            if standing == "busy":
                raise EndedError("holder.in-between", name=name)
            return seat
    Seat(name)
    others = ", ".join(seat.name for seat, _ in running)
    if others:
        raise EndedError("holder.other", name=name, names=others)
    raise EndedError("holder.absent", name=name)


def connect(name: str | None = None) -> HeldMachines:
    """A running lab, by its holder. Arguments and errors are `find`'s."""
    return HeldMachines(find(name))
