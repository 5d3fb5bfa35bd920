"""The kernel's table of this host's sockets, and whose they are."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from errno import EBADMSG, ENOENT
from typing import Any

from services.netlink.connection import Connection
from services.netlink.errors import MalformedError, NetlinkError
from services.netlink.message import Request
from services.netlink.sock_diag import SOCK_DIAG, dump_inet, dump_unix, inet_socket, unix_socket

_PROTOCOLS = (("tcp", socket.IPPROTO_TCP), ("udp", socket.IPPROTO_UDP))
_LINK = "socket:["


def table() -> list[dict[str, Any]]:
    """TCP, UDP and Unix sockets as dicts.

    Members: `proto` (`tcp`, `udp`, `unix`), `family` and `type` as the socket module numbers them, `state` as
    ss(8) names it, `local` and `peer` (address, port), of a Unix socket (path, 0) and None, `recv_q`,
    `send_q`, `uid`, `inode`, `pid` and `program` of its process, None of other users' processes.

    Raises:
        OSError: the kernel has no such list, or forbids it; EBADMSG: it cannot be read.
    """
    owners = dict(_owners())
    connection = Connection(SOCK_DIAG)
    try:
        found = [each for family in (socket.AF_INET, socket.AF_INET6) for each in _inet(connection, family)]
        found += _unix(connection)
    except NetlinkError as error:
        raise OSError(error.errno, error.details["why"]) from error
    except MalformedError as error:
        raise OSError(EBADMSG, error.details["seen"]) from error
    finally:
        connection.close()
    for each in found:
        each["pid"], each["program"] = owners.get(each["inode"], (None, None))
    return found


def _dump(connection: Connection, request: Request) -> list[bytes]:
    """Payloads of a dump; none where the kernel has no such protocol."""
    try:
        return [reply.payload for reply in connection.dump(request)]
    except NetlinkError as error:
        if error.errno == ENOENT:
            return []
        raise


def _inet(connection: Connection, family: int) -> Iterator[dict[str, Any]]:
    for proto, number in _PROTOCOLS:
        kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
        for payload in _dump(connection, dump_inet(family, number)):
            seen = inet_socket(payload)
            yield {
                "proto": proto,
                "family": int(family),
                "type": int(kind),
                "state": seen.state,
                "local": seen.local,
                "peer": seen.peer,
                "recv_q": seen.recv_q,
                "send_q": seen.send_q,
                "uid": seen.uid,
                "inode": seen.inode,
            }


def _unix(connection: Connection) -> Iterator[dict[str, Any]]:
    for payload in _dump(connection, dump_unix()):
        seen = unix_socket(payload)
        yield {
            "proto": "unix",
            "family": int(socket.AF_UNIX),
            "type": seen.type,
            "state": seen.state,
            "local": (seen.path, 0),
            "peer": None,
            "recv_q": seen.recv_q,
            "send_q": seen.send_q,
            "uid": seen.uid,
            "inode": seen.inode,
        }


def _owners() -> Iterator[tuple[int, tuple[int, str]]]:
    """Inodes of sockets, with pid and name of their process; of several the lowest pid comes last."""
    pids = sorted((int(name) for name in os.listdir("/proc") if name.isdecimal()), reverse=True)  # noqa: PTH208
    for pid in pids:
        with suppress(OSError):  # it ended meanwhile, or is another user's
            descriptors = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
                program = file.read().rstrip("\n")
            for descriptor in descriptors:
                with suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115
                    if target.startswith(_LINK):
                        yield int(target[len(_LINK) : -1]), (pid, program)
