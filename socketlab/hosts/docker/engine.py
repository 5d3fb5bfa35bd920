"""The engine's HTTP interface, and nothing of what a lab is.

Theory of operation
    Requests take a kept connection out of a list, or make one, and put it back: any number of threads may
    ask at once. A stream of a program takes a connection of its own: the engine answers the start of an exec
    with 101, and from there on the connection is the program's. Its header is read here byte by byte as far
    as it goes, because what follows it is already what the program said.

    This is plain standard library: the engine's own SDK takes a quarter of a second to import, follows no
    docker context by itself, and its reader may swallow the first bytes of a stream.
"""

import http.client
import json
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from socketlab.errors import BackendError
from socketlab.hosts.docker.dialling import away, dial
from socketlab.hosts.docker.endpoint import Endpoint

OLDEST = (1, 41)
"""API of engine 20.10, the oldest we know."""
NEWEST = (1, 47)
"""The newest that we speak; an engine speaks what is older than its own, too."""
SECONDS = 60.0
"""Room for one answer: the engine makes containers one after another."""
_HEADER_LIMIT = 1 << 16
_SWITCHING = 101
_OK = 200
_REFUSED = 400


class EngineError(BackendError):
    """The engine answered, and said no.

    Args:
        status: HTTP's.
        seen: what the engine said.
    """

    def __init__(self, status: int, seen: str) -> None:
        super().__init__("docker.refused", status=status, seen=seen)
        self.status = status
        self.seen = seen


class _Connection(http.client.HTTPConnection):
    """HTTP over whatever `dial` gives."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._endpoint = endpoint

    def connect(self) -> None:
        self.sock = dial(self._endpoint)
        self.sock.settimeout(self.timeout)


class Engine:
    """An engine that answers.

    Args:
        endpoint: where it is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._pid = os.getpid()
        self._prefix: str | None = None
        self._version: dict[str, Any] = {}

    def version(self) -> dict[str, Any]:
        """What it says of itself: `Version`, `ApiVersion`, `Components`, `Platform`. Asked once.

        Raises:
            BackendError: it is away, forbidden, or too old.
        """
        if self._prefix is None:
            told = self._ask("GET", "/version", None, SECONDS)
            if not isinstance(told, dict):
                raise BackendError("docker.no-engine", where=self.endpoint.url)
            try:
                theirs = _version(told["ApiVersion"])
                oldest = _version(told.get("MinAPIVersion") or "1.0")
            except (KeyError, ValueError) as error:
                raise BackendError("docker.no-engine", where=self.endpoint.url) from error
            if theirs < OLDEST or oldest > NEWEST:
                raise BackendError(
                    "docker.api", seen=told["ApiVersion"], version=told.get("Version", "?"), oldest="20.10"
                )
            self._version = told
            self._prefix = "/v{}.{}".format(*min(theirs, NEWEST))
        return self._version

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float = SECONDS,
    ) -> Any:
        """Make a request.

        Args:
            method: of HTTP.
            path: behind the version: `/containers/json`.
            query: its parameters; a dict or a list travels as JSON.
            body: as JSON.
            timeout: seconds for the answer.

        Returns:
            The answer's JSON; None where it has none.

        Raises:
            EngineError: the engine says no.
            BackendError: it is away.
        """
        self.version()
        plain = {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in (query or {}).items()
        }
        return self._ask(method, f"{self._prefix}{path}?{urlencode(plain)}", body, timeout)

    def _ask(self, method: str, target: str, body: Any, timeout: float) -> Any:
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if payload is not None else {}
        connection, is_kept = self._take(timeout)
        while True:
            try:
                connection.request(method, target, payload, headers)
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The engine may have closed a kept connection meanwhile: then it saw nothing of the request.
                if not is_kept or not isinstance(error, ConnectionError):
                    raise away(self.endpoint, error) from error
                connection, is_kept = _Connection(self.endpoint, timeout), False
                continue
            except BaseException:
                connection.close()
                raise
            break
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        if response.status >= _REFUSED:
            raise EngineError(response.status, _message(answer))
        return _json(answer)

    def _take(self, timeout: float) -> tuple[_Connection, bool]:
        """A connection, and whether it has been used before."""
        with self._lock:
            if self._pid != os.getpid():  # after a fork these connections are the parent's
                self._pid = os.getpid()
                self._idle = []
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            return _Connection(self.endpoint, timeout), False
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection, True

    def follow(self, path: str, query: Mapping[str, Any]) -> tuple[http.client.HTTPResponse, socket.socket]:
        """Ask for something that has no end by itself, and is read as it comes.

        Args:
            path: as of `ask`, of a GET.
            query: as there.

        Returns:
            The answer, to be read line by line, and its connection: whoever shuts that down ends the reading.

        Raises:
            EngineError: the engine says no.
            BackendError: it is away.
        """
        self.version()
        plain = {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in query.items()
        }
        connection = _Connection(self.endpoint, SECONDS)
        try:
            connection.request("GET", f"{self._prefix}{path}?{urlencode(plain)}")
            # With an open end the response takes the socket over from its connection.
            sock = connection.sock
            response = connection.getresponse()
            refusal = response.read() if response.status >= _REFUSED else None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise away(self.endpoint, error) from error
        except BaseException:
            connection.close()
            raise
        if refusal is not None:
            connection.close()
            raise EngineError(response.status, _message(refusal))
        sock.settimeout(None)
        return response, sock

    def close(self) -> None:
        """Let go of the kept connections. The engine can be asked again afterwards."""
        with self._lock:
            kept, self._idle = self._idle, []
        for connection in kept:
            connection.close()

    def hijack(self, path: str, body: Any) -> tuple[socket.socket, bytes]:
        """Start something whose connection is ours from then on.

        Args:
            path: as of `ask`, of a POST.
            body: as JSON.

        Returns:
            The connection, and what of the stream came with the header.

        Raises:
            EngineError: the engine says no.
            BackendError: it is away.
        """
        self.version()
        payload = json.dumps(body).encode()
        lines = (
            f"POST {self._prefix}{path} HTTP/1.1",
            "Host: docker",
            "Content-Type: application/json",
            f"Content-Length: {len(payload)}",
            "Connection: Upgrade",
            "Upgrade: tcp",
        )
        connection = dial(self.endpoint)
        try:
            connection.settimeout(SECONDS)
            connection.sendall("\r\n".join((*lines, "", "")).encode("ascii") + payload)
            rest = _read_upgrade(connection)
        except (OSError, ValueError, IndexError) as error:
            connection.close()
            raise away(self.endpoint, error) from error
        except BaseException:
            connection.close()
            raise
        return connection, rest


def segment(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def _json(answer: bytes) -> Any:
    try:
        return json.loads(answer) if answer.strip() else None
    except ValueError:
        return None


def _message(answer: bytes) -> str:
    told = _json(answer)
    if isinstance(told, dict) and "message" in told:
        return str(told["message"])
    return answer.decode(errors="replace").strip()[:500]


def _read_upgrade(connection: socket.socket) -> bytes:
    """Read that the connection is ours now; what of the stream came with it.

    Raises:
        EngineError: it is not.
    """
    header, rest = _read_header(connection)
    status = int(header.split(b" ", 2)[1])
    if status not in {_SWITCHING, _OK}:
        raise EngineError(status, _message(rest + _rest_of(connection, header, rest)))
    return rest


def _read_header(connection: socket.socket) -> tuple[bytes, bytes]:
    """The header of an answer, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more or len(data) > _HEADER_LIMIT:
            raise ConnectionError("the engine hung up")
        data += more
    header, _, rest = data.partition(b"\r\n\r\n")
    return header, rest


def _rest_of(connection: socket.socket, header: bytes, rest: bytes) -> bytes:
    """What is missing of a refusal's body, by its length."""
    for line in header.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            wanted = min(int(line.partition(b":")[2]), _HEADER_LIMIT) - len(rest)
            more = b""
            while len(more) < wanted and (data := connection.recv(wanted - len(more))):
                more += data
            return more
    return b""
