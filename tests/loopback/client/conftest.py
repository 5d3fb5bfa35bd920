"""The client and the runner as real processes, and small peers for them on loopback."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.loopback.client.programs import (
    PATIENCE,
    ROOT,
    Handler,
    Peer,
    Program,
    Run,
    Serve,
    Start,
    environment,
)


@pytest.fixture
def client() -> Run:
    """Run the client to its end."""

    def run(
        *arguments: str, send: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "services.client", *arguments],
            input=send,
            capture_output=True,
            env=environment(**(env or {})),
            cwd=ROOT,
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a module of `services`; it is ended with the test."""
    started: list[Program] = []

    def begin(module: str, *arguments: str, env: dict[str, str] | None = None) -> Program:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(**(env or {})),
            cwd=ROOT,
            text=True,
        )
        started.append(Program(process))
        return started[-1]

    yield begin
    for program in started:
        program.process.terminate()
    for program in started:
        program.process.wait(PATIENCE)
        assert program.process.stdout is not None
        program.process.stdout.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a `Peer`; it is stopped with the test."""
    peers: list[Peer] = []

    def begin(handler: Handler, port: int = 0) -> Peer:
        listener = socket.create_server(("127.0.0.1", port))
        peer = Peer(listener, listener.getsockname()[1])

        def converse(connection: socket.socket) -> None:
            with connection:
                try:
                    handler(connection)
                except OSError:
                    return  # the client has gone

        def accept() -> None:
            while True:
                try:
                    connection, _ = peer.listener.accept()
                except OSError:
                    return
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        peers.append(peer)
        return peer

    yield begin
    for peer in peers:
        if peer.listener.fileno() >= 0:
            peer.stop()


@pytest.fixture
def udp_echo() -> Iterator[int]:
    """A UDP echo server; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    data, peer = sock.recvfrom(65535)
                    sock.sendto(data, peer)
                except OSError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        port: int = sock.getsockname()[1]
        yield port
        over.set()
        thread.join()


@pytest.fixture
def free_port() -> int:
    """A TCP port on which nobody listens; the kernel gives it to nobody else for a while."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
