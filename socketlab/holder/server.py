"""The holder's side of its socket: each client in a thread of its own, so none can hold up another.

Theory of operation
    The main thread waits for clients, for a signal and for the lab's end of time; everything that may take
    long is done by a client's own thread. A client that asks for an actor becomes a relay: bytes go to and
    fro until either side ends. `down` is only noted here: the main thread closes the lab and then answers,
    so the command returns when the lab is gone.
"""

import os
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from socketlab.errors import EndedError, HostError
from socketlab.holder.protocol import REQUEST, Ask, FaultAsk, read_ask, write_answer, write_failure
from socketlab.hosts.backend import HostState, Stream
from socketlab.wire.errors import SocketlabError, WireError
from socketlab.wire.lines import LineBuffer

MOST_CLIENTS = 128
"""A client may hold two descriptors, and a process has 1024 of them."""
_ASK_SECONDS = 600.0
"""How long a client may be silent between requests. A stream may be silent for ever."""
_SEND_SECONDS = 30.0
_CHUNK = 256 * 1024
_UCRED = struct.Struct("3i")


class Held(Protocol):
    """A lab, as the server needs it. Its methods are called from any thread."""

    def about(self) -> dict[str, Any]:
        """`protocol.About`, as plain values."""

    def states(self) -> dict[str, HostState]:
        """How each host stands."""

    def actor(self, host: str) -> Stream:
        """A stream to a new actor."""

    def agent(self, host: str) -> Stream:
        """A stream to the agent."""

    def act(self, host: str, action: str) -> None:
        """Change a host's state."""

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        """Disconnect it, or connect it."""

    def link(self, host: str, network: str, *, up: bool) -> None:
        """Set its link down, or up."""

    def fault(self, ask: FaultAsk) -> dict[str, Any]:
        """Whatever is asked about the lab's faults, but `watch`."""

    def watch(self, lease: str | None) -> Stream:
        """What changes in the lab's faults, as lines."""


class Peer(NamedTuple):
    """Who is at the other end of a Unix socket, as the kernel says.

    Args:
        pid: its process; 0: not known.
        uid: its user; -1: not known.
    """

    pid: int
    uid: int

    @property
    def is_ours(self) -> bool:
        """Whether it is this user, or root. The folder's mode says so where the kernel does not."""
        return self.uid in {-1, 0, os.geteuid()}


def peer(connection: socket.socket) -> Peer:
    """The other end of a connection."""
    if sys.platform != "linux":
        return Peer(0, -1)
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid)


class Server:
    """Serves one lab's clients.

    Args:
        held: the lab.
        listener: the holder's socket.
        log: a line for the holder's log.
    """

    def __init__(self, held: Held, listener: socket.socket, log: Callable[[str], None]) -> None:
        self._held = held
        self._listener = listener
        self._log = log
        self._clients: set[socket.socket] = set()
        self._waiting_for_end: list[socket.socket] = []
        self._lock = threading.Lock()
        self._down, self._note_down = socket.socketpair()

    def serve(self, woken: socket.socket, deadline: float | None) -> None:
        """Serve until a signal has come, somebody has asked for the end, or time is up.

        Args:
            woken: becomes readable when a signal has come.
            deadline: by the monotonic clock; None: there is none.
        """
        with selectors.DefaultSelector() as selector:
            for each in (woken, self._down, self._listener):
                selector.register(each, selectors.EVENT_READ)
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                ready = [key.fileobj for key, _ in selector.select(left)]
                if self._listener not in ready or len(ready) > 1:
                    break
                self._accept()
        self._listener.close()

    def finish(self, error: SocketlabError | None) -> None:
        """Tell those who asked for the end what came of it, and leave everybody."""
        answer = write_answer({}) if error is None else write_failure(error)
        with self._lock:
            clients, waiting = list(self._clients), list(self._waiting_for_end)
        for connection in waiting:
            with suppress(OSError):
                connection.sendall(answer)
            connection.close()
        for connection in clients:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._down.close()
        self._note_down.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it has gone again
            connection, _ = self._listener.accept()
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(_SEND_SECONDS)
        if not peer(connection).is_ours:
            connection.close()
            return
        with self._lock:
            full = len(self._clients) >= MOST_CLIENTS
            if not full:
                self._clients.add(connection)
        if full:
            with suppress(OSError):
                connection.sendall(write_failure(EndedError("holder.busy", limit=MOST_CLIENTS)))
            connection.close()
            return
        threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        """All of one client's life."""
        try:
            self._answer_all(connection)
        except (OSError, WireError) as error:
            if isinstance(error, WireError):
                with suppress(OSError):
                    connection.sendall(write_failure(error))
        except Exception as error:  # noqa: BLE001 - the edge of a thread: the lab outlives our own mistakes
            self._log(f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._clients.discard(connection)
            if connection not in self._waiting_for_end:
                connection.close()

    def _answer_all(self, connection: socket.socket) -> None:
        lines = LineBuffer(REQUEST.line)
        while True:
            connection.settimeout(_ASK_SECONDS)
            data = connection.recv(_CHUNK)
            if not data:
                return
            connection.settimeout(_SEND_SECONDS)
            for line in lines.feed(data):
                ask = read_ask(line)
                if ask.ask in {"actor", "agent"} or _is_watch(ask):
                    self._become_stream(connection, ask)
                    return
                if ask.ask == "down":
                    self._end(connection)
                    return
                connection.sendall(self._answer(ask))

    def _end(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting_for_end.append(connection)
        with suppress(OSError):  # the end has come already
            self._note_down.send(b"!")

    def _answer(self, ask: Ask) -> bytes:
        try:
            return write_answer(self._do(ask))
        except SocketlabError as error:
            return write_failure(error)
        except Exception as error:  # noqa: BLE001 - told to whoever asked; the lab goes on
            self._log(f"{ask}: {type(error).__name__}: {error}")
            return write_failure(HostError("holder.mistake", seen=f"{type(error).__name__}: {error}"[:500]))

    def _do(self, ask: Ask) -> dict[str, Any]:
        match ask.ask:
            case "about":
                return self._held.about()
            case "states":
                return dict(self._held.states())
            case "act":
                self._held.act(ask.host, ask.action)
            case "plug":
                self._held.plug(ask.host, ask.network, connected=ask.on)
            case "link":
                self._held.link(ask.host, ask.network, up=ask.on)
            case "fault":
                return self._held.fault(ask.fault or FaultAsk(op="list"))
        return {}

    def _stream(self, ask: Ask) -> Stream:
        """What a client of such a request is connected to from then on."""
        if ask.fault is not None and _is_watch(ask):
            return self._held.watch(ask.fault.lease)
        return self._held.actor(ask.host) if ask.ask == "actor" else self._held.agent(ask.host)

    def _become_stream(self, connection: socket.socket, ask: Ask) -> None:
        try:
            stream = self._stream(ask)
        except SocketlabError as error:
            connection.sendall(write_failure(error))
            return
        try:
            connection.sendall(write_answer({}))
            connection.settimeout(None)
            relay(connection, stream)
        finally:
            stream.close()


def _is_watch(ask: Ask) -> bool:
    return ask.ask == "fault" and ask.fault is not None and ask.fault.op == "watch"


def relay(connection: socket.socket, stream: Stream) -> None:
    """Carry bytes both ways until either side ends; returns when both have.

    Args:
        connection: of a client, blocking.
        stream: to a program on a host.
    """
    back = threading.Thread(target=_carry_back, args=(connection, stream), daemon=True)
    back.start()
    with suppress(OSError, EndedError):
        while data := connection.recv(_CHUNK):
            stream.send(data)
    stream.close()
    back.join()


def _carry_back(connection: socket.socket, stream: Stream) -> None:
    with suppress(OSError, EndedError):
        while data := stream.receive(None):
            connection.sendall(data)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
