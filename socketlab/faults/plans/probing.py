"""The calls of a plan's sentences, made on the hosts, and what each gave.

A call has one deadline for all its parts. What the kernel said over there is told by its errno's name.
"""

import contextlib
import errno
import ipaddress
import time
from collections.abc import Callable
from socket import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM
from typing import TYPE_CHECKING, Final

from socketlab.errors import LabError, SpecError
from socketlab.faults.plans.sentences import Call, Seen, Stage
from socketlab.sockets.failures import symbol

if TYPE_CHECKING:
    from socketlab.hosts.lab import Lab
    from socketlab.sockets import Socket

_SAID: Final = b"socketlab plan\n"
"""A line: echo hands it back, and so does chat."""
_LEAST: Final = 0.001
_CHUNK: Final = 4096


def address_of(lab: "Lab", call: Call) -> str:
    """The address that a call goes to.

    Raises:
        SpecError: the lab has no such host, or it has no address of that family.
    """
    try:
        return str(ipaddress.ip_address(call.target))
    except ValueError:
        pass
    if call.target not in lab.hosts:
        known = ", ".join(lab.hosts)
        raise SpecError("plan.no-host", where=str(call), seen=ascii(call.target)[:60], known=known)
    host = lab[call.target]
    address = host.address if call.family == "ipv4" else host.address6
    if address is None:
        raise SpecError("plan.no-ipv6", where=str(call), host=call.target)
    return address


def make(
    lab: "Lab",
    call: Call,
    patience: float,
    *,
    only_connect: bool = False,
    begins: Callable[[], object] = lambda: None,
) -> Seen:
    """Make a call.

    Args:
        lab: whose hosts.
        call: which.
        patience: seconds after which it is given up.
        only_connect: of TCP: nothing is sent.
        begins: called when there is a socket, and all that takes long by itself is over.

    Raises:
        SpecError: as of `address_of`.
        LabError: it could not be made: its host does not run.
    """
    address = address_of(lab, call)
    family = AF_INET if call.family == "ipv4" else AF_INET6
    kind = SOCK_STREAM if call.transport == "tcp" else SOCK_DGRAM
    sock = lab[call.host].socket(family, kind)
    begins()
    try:
        return _Made(sock, address, call, patience).seen(only_connect=only_connect)
    finally:
        with contextlib.suppress(OSError, LabError):  # what the call gave is known already
            sock.close()


class _Made:
    """One call, from its first part to whatever ends it."""

    def __init__(self, sock: "Socket", address: str, call: Call, patience: float) -> None:
        self._sock = sock
        self._address = address
        self._call = call
        self._started = time.monotonic()
        self._deadline = self._started + patience
        self._stage: Stage = "connect"

    def seen(self, *, only_connect: bool) -> Seen:
        """What it gives."""
        try:
            self._hurry()
            self._sock.connect((self._address, self._call.port))
            if only_connect:
                return self._gave("connected")
            self._stage = "send"
            self._hurry()
            self._sock.sendall(_SAID)
            self._stage = "recv"
            return self._gave(self._answer())
        except OSError as error:
            return self._gave(self._named(error))

    def _answer(self) -> str:
        got = b""
        while len(got) < len(_SAID):
            self._hurry()
            data = self._sock.recv(_CHUNK)
            got += data
            if self._call.transport == "udp":
                break
            if not data:
                return "closed" if not got else "garbled"
        return "echo" if got == _SAID else "garbled"

    def _named(self, error: OSError) -> str:
        """An errno by its name; a timeout of ours has none."""
        if isinstance(error, TimeoutError) and error.errno != errno.ETIMEDOUT:
            return "timeout" if self._stage == "connect" else "silence"
        if isinstance(
            error, BlockingIOError
        ):  # not in time, where the time that was left was next to nothing
            return "timeout" if self._stage == "connect" else "silence"
        return symbol(error) or type(error).__name__

    def _hurry(self) -> None:
        self._sock.settimeout(max(_LEAST, self._deadline - time.monotonic()))

    def _gave(self, outcome: str) -> Seen:
        return Seen(outcome, time.monotonic() - self._started, self._stage)
