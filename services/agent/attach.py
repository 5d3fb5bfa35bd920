"""`python3 -m services.agent.attach`: standard streams to this host's agent, through one held-open exec.

Theory of operation
    A controller of containers reaches programs by their standard streams only, the agent by a Unix socket
    only. This waits until the agent is there and attaches to it, so that it is never dropped for its silence.
    From then on it carries bytes both ways and looks at none. It ends with whichever side ends first.
"""

import os
import socket
import sys
import threading
import time
from pathlib import Path

from services.agent.meeting import ANSWER, RUN_DIR, SOCKET_NAME
from services.messages import ServiceError
from socketlab.wire import Attach, Attached, Failure, SocketlabError, decode, encode

SECONDS = 15.0
"""Longer than an agent takes to start, and to see that its host is back."""
_PAUSE = 0.01
_READ = 1 << 16
_ENDED = 1


def connect(folder: Path, seconds: float = SECONDS) -> socket.socket:
    """A connection to the agent that it never drops; waits until the agent is there.

    Args:
        folder: the agent's run directory.
        seconds: how long it may take to be there.

    Raises:
        ServiceError: it is not there in time, or refuses.
    """
    path = folder / SOCKET_NAME
    until = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(seconds)
            connection.connect(str(path))
            _attach(connection)
        except OSError as error:
            connection.close()
            if time.monotonic() >= until:
                raise ServiceError("agent.missing", path=path, why=error.strerror or error) from error
            time.sleep(_PAUSE)
        except BaseException:
            connection.close()
            raise
        else:
            connection.settimeout(None)
            return connection


def _attach(connection: socket.socket) -> None:
    connection.sendall(encode(Attach(0)))
    line = b""
    while not line.endswith(b"\n"):
        # One byte at a time: nothing comes after the answer that was not asked for, but nothing may be lost.
        byte = connection.recv(1)
        if not byte:
            raise ConnectionResetError("the agent hung up")
        line += byte
    match decode(line, ANSWER):
        case Attached():
            return
        case Failure(code=code, details=details):
            raise ServiceError(code, **{detail.name: detail.value for detail in details})
        case other:
            raise ServiceError("agent.no-request", seen=other.type)


def relay(connection: socket.socket, reader: int, writer: int) -> None:
    """Carry bytes both ways until the agent hangs up; the end of the reader is handed on to it.

    Args:
        connection: to the agent.
        reader: descriptor of what goes to it.
        writer: descriptor of what it says.
    """

    def inward() -> None:
        while data := os.read(reader, _READ):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=inward, daemon=True).start()
    while data := connection.recv(_READ):
        view = memoryview(data)
        while view:
            view = view[os.write(writer, view) :]


def main() -> int:
    """Relay; the exit code."""
    try:
        with connect(RUN_DIR) as connection:
            relay(connection, 0, 1)
    except (SocketlabError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _ENDED
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a thread may still wait for what the controller says
