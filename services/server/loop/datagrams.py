"""A datagram socket that stands in a loop, beside others."""

from services.protocol.serving import DatagramServing
from services.server.datagram_socket import DatagramSocket
from services.server.listeners import Bound
from services.server.loop.alarm import Alarm
from services.server.shared import Program


class LoopDatagramServer:
    """Serves one bound datagram socket in the program's loop.

    Args:
        sock: the server owns it from now on.
        serving: answers.
        program: what the process shares.
    """

    def __init__(self, sock: DatagramSocket, serving: DatagramServing, program: Program) -> None:
        self._sock = sock
        self._serving = serving
        self._loop = program.loop
        self._alarm = Alarm(program.loop, self._ring)
        self._alive = True

    def __str__(self) -> str:
        return str(self.bound)

    @property
    def bound(self) -> Bound:
        """Where it serves."""
        return self._sock.bound

    def start(self) -> None:
        """Answer from now on."""
        self._loop.add(self._sock.fileno(), self)

    def alive(self) -> bool:
        """Whether it answers."""
        return self._alive

    def close(self) -> None:
        """Answer what has arrived, and close the socket."""
        if self._alive and self._loop.discard(self._sock.fileno()):
            self.ready(0)
        self._sock.close()

    def ready(self, _: int) -> None:
        """Answer until none is left, or others should have their turn."""
        self._sock.serve(self._serving)
        self._alarm.set(self._serving.due)

    def failed(self) -> None:
        """It answers no more."""
        self._alive = False
        self._loop.discard(self._sock.fileno())

    def _ring(self) -> None:
        if self._sock.fileno() >= 0:
            self._sock.tick(self._serving)
            self._alarm.set(self._serving.due)
