"""Servers on a host: the lab's own in every style, or a file of the user's, ready when they serve.

Theory of operation
    Our own server says in its log when everything is served. A learner's says nothing in particular; no event
    tells that another program called listen(2), so the kernel's table of that host's sockets is asked again
    and again, with a deadline. A server goes on talking, and one whose pipe is full would stop: what it says
    is read all the time, and the end of it kept.
"""

import ipaddress
import itertools
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from socketlab.errors import SpecError
from socketlab.hosts.programs import Argument, Program, ProgramError, ProgramTimeoutError, arguments, start
from socketlab.hosts.ready import await_ready, ended_early
from socketlab.hosts.streams import Calls

ECHO: Final = 7000
"""The port of `services.ports`, which a test compares."""
_KEPT: Final = 256 * 1024
"""Bytes of each of its streams that are kept for whoever reads them."""
_DRAIN: Final = 4.0
"""Seconds: our own server gives its clients two, and then ends with 0."""
_SETTLED: Final = 1.0
"""Seconds after which a program that listens elsewhere will not listen where it is to any more."""
_PAUSES: Final = (0.005, 0.01, 0.02, 0.04)
_MODE: Final = 0o500
_SERVING: Final = b'"event": "serving"'
_WAITS: Final = {"tcp": "LISTEN", "udp": "UNCONN"}


class Service(Program):
    """A server that runs on a host and is ready.

    `listening` has what it listens on: protocol, address, port.
    """

    listening: tuple[tuple[str, str, int], ...] = ()

    @property
    def port(self) -> int:
        """The port of the first socket that it listens on."""
        return self.listening[0][2]

    def end(self, grace: float = _DRAIN) -> int | None:
        """As of a program; a server gets time to say good-bye to its clients."""
        return super().end(grace)

    def keep_hearing(self) -> None:
        """Read what it says from now on; the newest stays for `stdout` and `stderr`."""
        for output in self.outputs:
            threading.Thread(target=output.listen, args=(lambda _: False, _KEPT), daemon=True).start()


def _started(calls: Calls, host: str, argv: Sequence[str], env: Mapping[str, str] | None) -> Service:
    return start(calls, host, argv, env=env, stdin=False, kind=Service)


def serve_style(  # noqa: PLR0913 - the options of one server
    calls: Calls,
    host: str,
    style: str,
    protocol: str,
    port: int,
    *,
    transport: str = "tcp",
    address: str | None = None,
    options: Sequence[Argument] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = 10,
) -> Service:
    """Start the lab's own server (`python3 -m services.server --help` tells of all it can).

    Args:
        calls: the host's actor.
        host: its name.
        style: `iterative`, `forking`, `threaded`, `pool`, `prefork`, `select`, `epoll` or `asyncio`.
        protocol: `echo`, `chat`, `framed` or `relay`.
        port: 0: one that is free.
        transport: `tcp`, `udp` or `both`.
        address: numeric; None: all of the host's.
        options: more of its command line.
        env: variables that it gets besides the host's own.
        timeout: seconds until it must serve.

    Raises:
        ProgramError: it does not serve; its own words say why.
    """
    argv = ["python3", "-m", "services.server", "--style", style, "--protocol", protocol]
    argv += ["--port", str(port), "--transport", transport, "--no-health"]
    argv += ["--address", address] if address is not None else []
    argv += arguments(options) if options else []
    service = _started(calls, host, argv, env)
    try:
        await_ready(service, _SERVING, timeout)
        service.keep_hearing()
        service.listening = _said_where(service)
    except BaseException:
        service.end(0.0)
        raise
    return service


def serve_file(
    calls: Calls,
    host: str,
    file: str | os.PathLike[str],
    *,
    port: int | None = None,
    options: Sequence[Argument] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = 10,
) -> Service:
    """Send a Python file to a host and run it there.

    Args:
        calls: the host's actor.
        host: its name.
        file: of this machine.
        port: on which it is to listen; None: on any.
        options: its arguments.
        env: variables that it gets besides the host's own.
        timeout: seconds until it must listen.

    Raises:
        SpecError: there is no such file, or it cannot be read.
        ProgramError: it ended, listens nowhere, on another port, or on loopback only.
    """
    path = Path(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError("program.file", seen=ascii(str(file)), why=error.strerror) from error
    before = {row["inode"] for row in _waiting(calls)}
    there = calls.call("put", path.name, data, _MODE)
    service = _started(calls, host, ["python3", "-u", there, *(arguments(options) if options else ())], env)
    try:
        service.keep_hearing()
        service.listening = _await_listening(calls, service, before, port, timeout)
    except BaseException:
        service.end(0.0)
        raise
    return service


def _await_listening(
    calls: Calls, service: Service, before: set[int], port: int | None, timeout: float
) -> tuple[tuple[str, str, int], ...]:
    deadline = time.monotonic() + timeout
    own_since = any_since = 0.0
    for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
        new = [row for row in _waiting(calls) if row["inode"] not in before]
        own = [row for row in new if row["pid"] == service.pid]
        now = time.monotonic()
        own_since, any_since = (own_since or now) if own else 0.0, (any_since or now) if new else 0.0
        # A process of its own may listen for it; but so may a stranger who came at the same time. The port
        # tells them apart, else we wait a while for the program itself.
        if port is None:
            new = own or (new if now - any_since >= _SETTLED else [])
        seen = tuple(map(_listener, own or new))
        right = [each for each in map(_listener, new) if port in {None, each[2]}]
        if any(not _is_loopback(address) for _, address, _ in right):
            return tuple(right)
        if (code := service.poll()) is not None:
            raise ended_early(service, code)
        if now >= deadline or (own and now - own_since >= _SETTLED):
            raise _not_serving(service, port, seen, right, timeout)
        time.sleep(pause)
    raise AssertionError  # the deadline comes first


def _not_serving(
    service: Service,
    port: int | None,
    seen: Sequence[tuple[str, str, int]],
    right: Sequence[tuple[str, str, int]],
    timeout: float,
) -> ProgramError:
    fields = {**service.named(), "seconds": f"{timeout:g}", "said": service.last_words()}
    where = ", ".join(f"{proto} {address} {number}" for proto, address, number in seen)
    if right:
        return ProgramError("program.loopback", **fields, where=where)
    if seen:
        return ProgramError("program.other-port", **fields, where=where, port=port)
    return ProgramTimeoutError("program.not-listening", **fields)


def _waiting(calls: Calls) -> list[dict[str, Any]]:
    """Those of the host's sockets that wait for peers."""
    rows: list[dict[str, Any]] = calls.call("sockets")
    return [row for row in rows if _WAITS.get(row["proto"]) == row["state"]]


def _said_where(service: Service) -> tuple[tuple[str, str, int], ...]:
    """What our server's log says that it serves."""
    for line in b"".join(output.heard for output in service.outputs).splitlines():
        if _SERVING in line:
            bound = json.loads(line)["bound"]
            return tuple((each["transport"], each["address"], each["port"]) for each in bound)
    return ()


def _listener(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["proto"], row["local"][0], row["local"][1]


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
