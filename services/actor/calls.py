"""Which calls there are, and what makes each.

Theory of operation
    A call of the module that only computes, or asks the kernel something that it answers at once, is the
    function itself. One that may look up a name, read a file or start something is given back as `Later`.
"""

import os
import socket
import stat
from collections.abc import Callable
from functools import partial
from time import monotonic_ns
from typing import Any

from services.actor.handles import Handles, Held
from services.actor.held_socket import Shelf
from services.actor.later import Later
from services.actor.limits import Limits, RefusalError
from services.actor.pollers import make_poller, select_handles
from socketlab.wire.call import Call
from socketlab.wire.values import Handle

_AT_ONCE = (
    "CMSG_LEN",
    "CMSG_SPACE",
    "getdefaulttimeout",
    "gethostname",
    "has_dualstack_ipv6",
    "htonl",
    "htons",
    "if_indextoname",
    "if_nameindex",
    "if_nametoindex",
    "inet_aton",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ntohl",
    "ntohs",
    "setdefaulttimeout",
)
_LATER = (
    "getaddrinfo",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
)


class Calls:
    """All calls of an actor.

    Args:
        handles: what calls are made on, and what they make.
        limits: of the actor.
        about: what it says about itself.
    """

    def __init__(self, handles: Handles, limits: Limits, about: Callable[[], dict[str, Any]]) -> None:
        self._handles = handles
        self._limits = limits
        self._shelf = Shelf(handles, limits)
        self._programs: Any = None
        self._files: Any = None
        self._table: dict[str, Callable[..., Any]] = {name: getattr(socket, name) for name in _AT_ONCE}
        self._table |= {name: partial(_later, getattr(socket, name)) for name in _LATER}
        self._table |= {
            "about": about,
            "clock": monotonic_ns,
            "epoll": partial(make_poller, handles, "epoll"),
            "forget": handles.forget,
            "poll": partial(make_poller, handles, "poll"),
            "popen": partial(_later, self._popen),
            "put": partial(_later, self._put),
            "select": partial(select_handles, handles),
            "socket": self._socket,
            "socketpair": self._socketpair,
            "sockets": partial(_later, _kernel_sockets),
        }

    def perform(self, call: Call) -> Any:
        """Make a call.

        Returns:
            Its value, or `Later`.

        Raises:
            RefusalError: there is no such call or handle, or it is over a limit.
            Exception: whatever the call raises.
        """
        if call.on is None:
            function = self._table.get(call.name)
        else:
            held: Held = self._handles.find(call.on)
            function = held.method(call.name)
        if function is None:
            raise RefusalError(
                "actor.call", call=ascii(call.name)[:40], what="" if call.on is None else held.what
            )
        return function(*call.args)

    def clear(self) -> None:
        """End what would outlive this process: programs and files."""
        try:
            if self._programs is not None:
                self._programs.kill()
        finally:
            if self._files is not None:
                self._files.remove()

    def _socket(self, family: Any = -1, kind: Any = -1, proto: Any = -1, descriptor: Any = None) -> Handle:
        """A new socket, or one around a descriptor that somebody has detached.

        What is no socket, or not open, may be tried: the kernel says so (EBADF, ENOTSOCK). A socket that is
        somebody's is not taken: whoever closes last would close what has got its number meanwhile.
        """
        if type(descriptor) is int and _is_socket(descriptor) and not self._handles.is_detached(descriptor):
            raise RefusalError("actor.descriptor", descriptor=descriptor)
        self._handles.expect_room()
        real = socket.socket(family, kind, proto, descriptor)
        if descriptor is not None:
            self._handles.adopted(descriptor)
        return self._shelf.keep(real)

    def _socketpair(self, *args: Any) -> tuple[Handle, Handle]:
        self._handles.expect_room(2)
        one, other = socket.socketpair(*args)
        return self._shelf.keep(one), self._shelf.keep(other)

    # Most actors never start a program: what that takes is loaded with the first. See `preload`.

    def _popen(self, *args: Any) -> Any:
        if self._programs is None:
            from services.actor.programs import Programs  # noqa: PLC0415

            self._programs = Programs(self._handles, self._limits)
        return self._programs.popen(*args)

    def _put(self, *args: Any) -> str:
        if self._files is None:
            from services.actor.files import Files  # noqa: PLC0415

            self._files = Files(self._limits)
        path: str = self._files.put(*args)
        return path


def preload() -> None:
    """Load now what is otherwise loaded by the call that needs it.

    For who forks actors: they start with all of it, and need not reach the files.
    """
    from importlib import import_module  # noqa: PLC0415 - used here only

    for name in ("files", "kernel_sockets", "programs"):
        import_module(f"services.actor.{name}")
    import_module("resource")
    "ñ".encode("idna")  # the codec of names of hosts, which Python looks for when it meets the first


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except (OSError, OverflowError):
        return False


def _later(function: Callable[..., Any], *args: Any) -> Later:
    return Later(partial(function, *args))


def _kernel_sockets() -> list[dict[str, Any]]:
    from services.actor.kernel_sockets import table  # noqa: PLC0415 - netlink and its messages take 10 ms to load

    return table()
