"""The loop of recvfrom() and sendto(): one thread, no connection, one datagram at a time."""

import threading
import time

from services.protocol.serving import DatagramServing
from services.server.datagram_socket import DatagramSocket
from services.server.listeners import Bound
from services.server.shared import Program
from services.server.waiting import Waiter, Woke, join


class DatagramServer:
    """Serves one bound datagram socket from a thread.

    Args:
        sock: the server owns it from now on.
        serving: answers.
        program: what the process shares.
    """

    def __init__(self, sock: DatagramSocket, serving: DatagramServing, program: Program) -> None:
        self._sock = sock
        self._serving = serving
        self._program = program
        self._loop = threading.Thread(target=self._serve, name=str(sock.bound), daemon=True)

    @property
    def bound(self) -> Bound:
        """Where it serves."""
        return self._sock.bound

    def start(self) -> None:
        """Answer from now on."""
        self._loop.start()

    def alive(self) -> bool:
        """Whether it answers."""
        return self._loop.is_alive()

    def close(self) -> None:
        """Close the socket, unless datagrams keep coming even now: then it ends with the process."""
        join(self._loop, self._program.limits.quiet)
        if not self._loop.is_alive():
            self._sock.close()

    def _serve(self) -> None:
        """Answer until the stop; what had arrived by then is still answered."""
        waiter = Waiter(self._sock, self._program.stopping)
        while (woke := waiter.wait(self._until_due())) in {Woke.READABLE, Woke.TIMEOUT}:
            if woke is Woke.READABLE:
                self._sock.serve(self._serving)
            self._sock.tick(self._serving)

    def _until_due(self) -> float | None:
        due = self._serving.due
        return None if due is None else max(0.0, due - time.monotonic())
