"""sock_diag: the kernel's own list of sockets, as ss(8) shows it (sock_diag(7), linux/inet_diag.h).

Pure: requests to be sent, and payloads read. Listing takes no capability and tells of the asking process's
network namespace; ending a connection takes NET_ADMIN.
"""

import socket
import struct
from dataclasses import dataclass

from services.netlink.attributes import parse
from services.netlink.errors import malformed
from services.netlink.message import ACK, DUMP, REQUEST, Request
from services.netlink.tcp_states import state_name

SOCK_DIAG = 4
"""NETLINK_SOCK_DIAG, the protocol of a `Connection`."""
_BY_FAMILY, _DESTROY = 20, 21
_ALL_STATES = 0xFFFFFFFF
_INET_REQUEST = struct.Struct("=BBBBI")
_INET_ID = 48
_INET_HEAD = 4
"""Bytes before the identity in an answer: family, state, timer, retransmissions."""
_UNIX_REQUEST = struct.Struct("=BBHIIIII")
_UNIX_SHOW_NAME, _UNIX_SHOW_PEER, _UNIX_SHOW_QUEUES, _UNIX_SHOW_UID = 0x1, 0x4, 0x10, 0x40
_UNIX_NAME, _UNIX_PEER, _UNIX_QUEUES, _UNIX_UID = 0, 2, 4, 7
_INET = struct.Struct("=BBBB2s2s16s16sIIIIIIII")
_UNIX = struct.Struct("=BBBBIII")
_PAIR = struct.Struct("=II")
_NUMBER = struct.Struct("=I")
_PORT = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class InetSocket:
    """A TCP or UDP socket.

    Args:
        family: AF_INET or AF_INET6.
        state: as ss(8) names it.
        local: address and port.
        peer: the same of the other side; port 0: it has none.
        recv_q: bytes not yet read; of a listener connections not yet accepted.
        send_q: bytes not yet acknowledged; of a listener how many may wait.
        uid: of its owner.
        inode: by which it is found in `/proc/<pid>/fd`; 0: no process has it any more.
    """

    family: int
    state: str
    local: tuple[str, int]
    peer: tuple[str, int]
    recv_q: int
    send_q: int
    uid: int
    inode: int


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A Unix socket.

    Args:
        type: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.
        state: as ss(8) names it.
        path: its name, one without a file begins with `@`; empty: it has none.
        recv_q: as of `InetSocket`.
        send_q: the same.
        uid: of its owner.
        inode: by which it is found in `/proc/<pid>/fd`.
        peer: inode of the other side; 0: it has none.
    """

    type: int
    state: str
    path: str
    recv_q: int
    send_q: int
    uid: int
    inode: int
    peer: int


def dump_inet(family: int, protocol: int) -> Request:
    """Ask for all sockets of a family and a protocol (IPPROTO_TCP, IPPROTO_UDP), in any state."""
    payload = _INET_REQUEST.pack(family, protocol, 0, 0, _ALL_STATES) + bytes(_INET_ID)
    return Request("SOCK_DIAG_BY_FAMILY", _BY_FAMILY, REQUEST | DUMP, payload)


def dump_unix() -> Request:
    """Ask for all Unix sockets."""
    show = _UNIX_SHOW_NAME | _UNIX_SHOW_PEER | _UNIX_SHOW_QUEUES | _UNIX_SHOW_UID
    payload = _UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, _ALL_STATES, 0, show, 0, 0)
    return Request("SOCK_DIAG_BY_FAMILY", _BY_FAMILY, REQUEST | DUMP, payload)


def destroy(payload: bytes, protocol: int) -> Request:
    """End a connection as its program would learn of a fault: ECONNABORTED here, RST to the other side.

    EOPNOTSUPP where the kernel was built without INET_DIAG_DESTROY, ENOENT where it has ended.

    Args:
        payload: the answer to a dump that told of it.
        protocol: as of the dump.

    Raises:
        MalformedError: the bytes are no socket.
    """
    if len(payload) < _INET.size:
        raise malformed("inet_diag_msg", f"{len(payload)} bytes")
    identity = payload[_INET_HEAD : _INET_HEAD + _INET_ID]
    head = _INET_REQUEST.pack(payload[0], protocol, 0, 0, 1 << payload[1])
    return Request("SOCK_DESTROY", _DESTROY, REQUEST | ACK, head + identity)


def inet_socket(payload: bytes) -> InetSocket:
    """Read a TCP or UDP socket.

    Raises:
        MalformedError: the bytes are none.
    """
    if len(payload) < _INET.size:
        raise malformed("inet_diag_msg", f"{len(payload)} bytes")
    family, state, _, _, sport, dport, source, destination, *_, recv_q, send_q, uid, inode = (
        _INET.unpack_from(payload)
    )
    if family not in {socket.AF_INET, socket.AF_INET6}:
        raise malformed("inet_diag_msg", f"family {family}")
    return InetSocket(
        family,
        state_name(state),
        (_address(family, source), _PORT.unpack(sport)[0]),
        (_address(family, destination), _PORT.unpack(dport)[0]),
        recv_q,
        send_q,
        uid,
        inode,
    )


def unix_socket(payload: bytes) -> UnixSocket:
    """Read a Unix socket.

    Raises:
        MalformedError: the bytes are none.
    """
    if len(payload) < _UNIX.size:
        raise malformed("unix_diag_msg", f"{len(payload)} bytes")
    family, kind, state, _, inode, _, _ = _UNIX.unpack_from(payload)
    if family != socket.AF_UNIX:
        raise malformed("unix_diag_msg", f"family {family}")
    fields = dict(parse(payload[_UNIX.size :]))
    recv_q, send_q = _numbers(_PAIR, fields.get(_UNIX_QUEUES))
    (uid,) = _numbers(_NUMBER, fields.get(_UNIX_UID))
    (peer,) = _numbers(_NUMBER, fields.get(_UNIX_PEER))
    name = fields.get(_UNIX_NAME, b"")
    path = "@" + _shown(name[1:]) if name[:1] == b"\0" else _shown(name.partition(b"\0")[0])
    return UnixSocket(kind, state_name(state), path, recv_q, send_q, uid, inode, peer)


def _numbers(form: struct.Struct, data: bytes | None) -> tuple[int, ...]:
    """The numbers of an attribute; zeros where an older kernel does not give it."""
    if data is None:
        return (0,) * (form.size // _NUMBER.size)
    if len(data) != form.size:
        raise malformed("unix_diag_msg", f"{len(data)} bytes")
    return form.unpack(data)


def _address(family: int, packed: bytes) -> str:
    return socket.inet_ntop(family, packed[:4] if family == socket.AF_INET else packed)


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
