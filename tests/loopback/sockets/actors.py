"""Actors on this machine's loopback: a process of our own behind a Unix socket pair."""

import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from socketlab.sockets import Actor
from socketlab.wire.event import Event

ROOT = Path(__file__).parents[3]
DEADLINE = 20.0
"""Seconds that nothing here takes, unless it hangs."""


class PairStream:
    """A `Stream` over one end of a Unix socket pair."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    def send(self, data: bytes) -> None:
        self.end.sendall(data)

    def receive(self, timeout: float | None) -> bytes:
        if timeout is not None and not self._poll.poll(timeout * 1000):
            raise TimeoutError
        return self.end.recv(1 << 16)

    def close(self) -> None:
        self.end.shutdown(socket.SHUT_RDWR)
        self.end.close()


@contextmanager
def actor_process() -> Iterator[tuple[PairStream, "subprocess.Popen[bytes]"]]:
    """An actor's process, and the stream to it; gone in the end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(ROOT)]
        process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
        try:
            theirs.close()
            yield PairStream(ours), process
        finally:
            ours.close()
            process.kill()
            process.wait(DEADLINE)


_BOOT = "import sys; sys.path.append(sys.argv[1]); from services.actor.__main__ import main; main()"


@contextmanager
def local_actor(host: str = "client", events: Callable[[Event], None] | None = None) -> Iterator[Actor]:
    """An actor on this machine; closed in the end, which fails where a call was begun and not awaited."""
    told = None if events is None else (lambda happening: events(happening.event))
    with actor_process() as (stream, _), Actor(stream, host, told) as actor:
        yield actor
