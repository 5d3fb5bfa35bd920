"""The standard library's `socketserver.ThreadingTCPServer`."""

import contextlib
import socket
import socketserver

from benchmarks.peers import ADDRESS, BACKLOG, READ, announce


class Echo(socketserver.BaseRequestHandler):
    """Serves one connection, in a thread of its own."""

    def handle(self) -> None:
        """Give everything back until the peer closes."""
        conn: socket.socket = self.request
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            while data := conn.recv(READ):
                conn.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    """A backlog for the benchmark, and threads that do not outlive the program."""

    request_queue_size = BACKLOG
    daemon_threads = True


if __name__ == "__main__":
    with Server((ADDRESS, 0), Echo) as server:
        announce(server.socket.getsockname()[1])
        server.serve_forever()
