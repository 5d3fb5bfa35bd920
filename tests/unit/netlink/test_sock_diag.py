"""The kernel's list of sockets: against sockets of our own, and against bytes."""

import socket
import struct

import pytest

from services.netlink.attributes import attribute
from services.netlink.connection import Connection
from services.netlink.errors import MalformedError
from services.netlink.message import Request
from services.netlink.sock_diag import (
    SOCK_DIAG,
    InetSocket,
    UnixSocket,
    destroy,
    dump_inet,
    dump_unix,
    inet_socket,
    unix_socket,
)


def dump(request: Request) -> list[bytes]:
    connection = Connection(SOCK_DIAG)
    try:
        return [reply.payload for reply in connection.dump(request)]
    finally:
        connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_tcp_sockets_of_ours_stand_there(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=3) as listener:
        address = listener.getsockname()[:2]
        with socket.create_connection(address) as conn:
            conn.sendall(b"12345")
            accepted, _ = listener.accept()
            accepted.recv(1, socket.MSG_PEEK)
            with accepted:
                found = [inet_socket(each) for each in dump(dump_inet(family, socket.IPPROTO_TCP))]
            ours = {each.state: each for each in found if each.local == address}
            assert (ours["LISTEN"].send_q, ours["LISTEN"].peer[1]) == (3, 0)
            assert ours["LISTEN"].inode > 0
            seen = ours["ESTAB"]
            assert seen.peer == conn.getsockname()[:2]
            assert (seen.family, seen.recv_q, seen.send_q) == (family, 5, 0)


def test_udp_sockets_of_ours_stand_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        found = [inet_socket(each) for each in dump(dump_inet(socket.AF_INET, socket.IPPROTO_UDP))]
        assert one.getsockname() in {each.local for each in found if each.state == "UNCONN"}


def test_unix_sockets_of_ours_stand_there() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(b"")  # the kernel finds a name
        listener.listen(1)
        name = "@" + listener.getsockname()[1:].decode()
        (seen,) = [each for each in map(unix_socket, dump(dump_unix())) if each.path == name]
    assert (seen.type, seen.state, seen.peer) == (socket.SOCK_SEQPACKET, "LISTEN", 0)
    assert seen.inode > 0


def inet(family: int = socket.AF_INET, state: int = 6) -> bytes:
    head = struct.pack("=BBBB", family, state, 0, 0) + struct.pack(">HH", 80, 4000)
    addresses = bytes([127, 0, 0, 1]).ljust(16, b"\0") + bytes([10, 0, 0, 2]).ljust(16, b"\0")
    return head + addresses + struct.pack("=8I", 0, 0, 0, 0, 1, 2, 3, 4)


def test_reading_an_inet_socket() -> None:
    expected = InetSocket(socket.AF_INET, "TIME-WAIT", ("127.0.0.1", 80), ("10.0.0.2", 4000), 1, 2, 3, 4)
    assert inet_socket(inet()) == expected
    assert inet_socket(inet() + b"attributes") == expected
    assert inet_socket(inet(state=99)).state == "99"


def test_reading_a_unix_socket() -> None:
    head = struct.pack("=BBBBIII", socket.AF_UNIX, socket.SOCK_DGRAM, 7, 0, 42, 0, 0)
    assert unix_socket(head) == UnixSocket(socket.SOCK_DGRAM, "UNCONN", "", 0, 0, 0, 42, 0)
    whole = head + b"".join(
        [
            attribute(0, b"/run/\xff\0"),
            attribute(2, struct.pack("=I", 43)),
            attribute(4, struct.pack("=II", 5, 6)),
            attribute(7, struct.pack("=I", 1000)),
        ]
    )
    assert unix_socket(whole) == UnixSocket(socket.SOCK_DGRAM, "UNCONN", "/run/\\xff", 5, 6, 1000, 42, 43)


@pytest.mark.parametrize("data", [b"", inet()[:-1], inet(family=socket.AF_UNIX)])
def test_what_is_no_inet_socket(data: bytes) -> None:
    with pytest.raises(MalformedError):
        inet_socket(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("=BBBBIII", socket.AF_INET, 1, 1, 0, 1, 0, 0),
        struct.pack("=BBBBIII", socket.AF_UNIX, 1, 1, 0, 1, 0, 0) + attribute(4, b"1"),
    ],
)
def test_what_is_no_unix_socket(data: bytes) -> None:
    with pytest.raises(MalformedError):
        unix_socket(data)


def test_a_connection_is_named_as_the_kernel_named_it() -> None:
    request = destroy(inet(), socket.IPPROTO_TCP)
    assert request.payload[:4] == bytes([socket.AF_INET, socket.IPPROTO_TCP, 0, 0])
    assert request.payload[8:] == inet()[4:52]
    with pytest.raises(MalformedError):
        destroy(inet()[:-1], socket.IPPROTO_TCP)
