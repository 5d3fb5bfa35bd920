"""A connection to the engine, over whichever way its endpoint names."""

import shutil
import socket
import ssl
import subprocess
from urllib.parse import urlsplit

from socketlab.errors import BackendError
from socketlab.hosts.docker.endpoint import Endpoint, Tls

CONNECT_SECONDS = 10.0
_PORT = 2375
_TLS_PORT = 2376
_ssh_started: list["subprocess.Popen[bytes]"] = []
"""Each ends with our end of its pair; those that have ended are reaped when the next one starts."""


def dial(endpoint: Endpoint, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """A connected socket, blocking, with that timeout still set.

    Args:
        endpoint: where.
        timeout: seconds to connect in.

    Raises:
        BackendError: nobody is there, or we are not let in.
    """
    try:
        if endpoint.scheme == "unix":
            return _unix(endpoint, timeout)
        if endpoint.scheme == "ssh":
            return _ssh(endpoint, timeout)
        return _tcp(endpoint, timeout)
    except PermissionError as error:
        raise BackendError("docker.forbidden", where=endpoint.url) from error
    except ssl.SSLError as error:
        raise BackendError("docker.tls", where=endpoint.url, seen=error) from error
    except OSError as error:
        raise away(endpoint, error) from error


def away(endpoint: Endpoint, error: Exception) -> BackendError:
    """The error that tells of an engine that does not answer."""
    return BackendError("docker.away", where=endpoint.url, origin=endpoint.origin, seen=error)


def _unix(endpoint: Endpoint, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(urlsplit(endpoint.url).path)
    except BaseException:
        connection.close()
        raise
    return connection


def _tcp(endpoint: Endpoint, timeout: float) -> socket.socket:
    place = urlsplit(endpoint.url)
    encrypted = endpoint.tls is not None or place.scheme == "https"
    host, port = place.hostname or "localhost", place.port or (_TLS_PORT if encrypted else _PORT)
    connection = socket.create_connection((host, port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not encrypted:
        return connection
    try:
        return _context(endpoint.tls).wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _context(tls: Tls | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca if tls else None)
    if tls and not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls and tls.cert:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def _ssh(endpoint: Endpoint, timeout: float) -> socket.socket:
    """The far side's `docker system dial-stdio`, as the docker command does it: one ssh a connection.

    Nobody is there to be asked for a password: keys or an agent have to do.
    """
    ssh = shutil.which("ssh")
    if ssh is None:
        raise BackendError("docker.no-ssh", where=endpoint.url)
    place = urlsplit(endpoint.url)
    near, far = socket.socketpair()
    words = [ssh, "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={max(1, int(timeout))}"]
    words += ["-l", place.username] if place.username else []
    words += ["-p", str(place.port)] if place.port else []
    _ssh_started[:] = [process for process in _ssh_started if process.poll() is None]
    with far:
        process = subprocess.Popen(  # noqa: S603
            [*words, "--", place.hostname or "", "docker", "system", "dial-stdio"],
            stdin=far.fileno(),
            stdout=far.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    _ssh_started.append(process)
    near.settimeout(None)  # the far side says nothing until it is asked: ssh has a time limit of its own
    return near
