"""Calls over there, as a user makes them: values and exceptions are those of `socket.socket`."""

import contextlib
import copy
import errno
import hashlib
import pickle
import select
import socket
import struct

import pytest

from socketlab.errors import CallError, UsageError
from socketlab.sockets import Actor, Socket


def test_the_textbook(actor: Actor, loopback: str) -> None:
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    with actor.socket(family) as listener, actor.socket(family) as client:
        listener.bind((loopback, 0))
        listener.listen(1)
        pending = listener.begin.accept()
        client.settimeout(10)
        client.connect(listener.getsockname())
        conn, peer = pending.result(timeout=10)
        with conn:
            assert peer == client.getsockname()
            assert conn.getpeername() == peer
            client.sendall(b"hello")
            assert conn.recv(5) == b"hello"
            client.shutdown(socket.SHUT_WR)
            assert conn.recv(5) == b""


def test_attributes_are_enums(actor: Actor) -> None:
    with actor.socket(type=socket.SOCK_DGRAM) as sock:
        assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_DGRAM, 0)
        assert isinstance(sock.family, socket.AddressFamily)
        assert isinstance(sock.type, socket.SocketKind)
    entries = actor.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    assert entries == socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    assert isinstance(entries[0][0], socket.AddressFamily)
    assert isinstance(entries[0][1], socket.SocketKind)


def test_what_the_kernel_raised_there_is_raised_here(actor: Actor) -> None:
    with actor.socket() as bound, actor.socket() as sock:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ConnectionRefusedError) as raised:
            sock.connect(bound.getsockname())
        assert raised.value.errno == errno.ECONNREFUSED
        assert raised.value.__notes__[0].startswith("client:")
        assert "connect(('127.0.0.1'" in raised.value.__notes__[0]
        with actor.socket() as other, pytest.raises(OSError, match="in use") as in_use:
            other.bind(bound.getsockname())
        assert in_use.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match="not connected") as apart:
            sock.getpeername()
        assert apart.value.errno == errno.ENOTCONN


def test_timeouts_have_no_errno(pair: tuple[Socket, Socket]) -> None:
    one, _ = pair
    one.settimeout(0.05)
    assert one.timeout == one.gettimeout() == 0.05
    with pytest.raises(TimeoutError) as raised:
        one.recv(1)
    assert (raised.value.errno, raised.value.args) == (None, ("timed out",))
    one.setblocking(False)  # noqa: FBT003 - as the method has it
    with pytest.raises(BlockingIOError) as blocking:
        one.recv(1)
    assert blocking.value.errno == errno.EAGAIN


def test_the_resolvers_errors(actor: Actor) -> None:
    with pytest.raises(socket.gaierror) as raised:
        actor.getaddrinfo("127.0.0.1.nothing", 80, flags=socket.AI_NUMERICHOST)
    assert raised.value.errno == socket.EAI_NONAME


def test_a_closed_socket_is_a_bad_descriptor(actor: Actor) -> None:
    sock = actor.socket()
    assert sock.descriptor() >= 0
    sock.close()
    sock.close()
    assert (sock.fileno(), sock.descriptor()) == (-1, -1)
    for call in (lambda: sock.recv(1), sock.getsockname, sock.accept, lambda: sock.connect(("127.0.0.1", 1))):
        with pytest.raises(OSError, match="Bad file descriptor") as raised:
            call()
        assert raised.value.errno == errno.EBADF


def test_it_is_no_descriptor_of_this_machine(actor: Actor) -> None:
    with actor.socket() as sock:
        with pytest.raises(UsageError, match=r"lab\.select"):
            select.select([sock], [], [], 0)
        with pytest.raises(TypeError):
            sock.fileno()


def test_no_copies_and_no_pickles(actor: Actor) -> None:
    with actor.socket() as sock:
        for attempt in (lambda: pickle.dumps(sock), lambda: copy.copy(sock), lambda: copy.deepcopy(sock)):
            with pytest.raises(TypeError, match="Socket"):
                attempt()


def test_its_repr_tells_what_is_known(actor: Actor) -> None:
    with actor.socket() as sock:
        assert repr(sock) == f"<Socket client:{sock.handle.number} AF_INET SOCK_STREAM>"
        sock.bind(("127.0.0.1", 0))
        own = sock.getsockname()
        assert f"laddr={own}" in repr(sock)
    assert "closed" in repr(sock)


def test_datagrams_and_buffers(actor: Actor) -> None:
    with actor.socket(type=socket.SOCK_DGRAM) as one, actor.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        address = other.getsockname()
        assert one.sendto(b"abc", address) == 3
        assert one.sendto(b"defg", 0, address) == 4
        assert other.recvfrom(10) == (b"abc", ("127.0.0.1", one.getsockname()[1]))
        room = bytearray(6)
        size, peer = other.recvfrom_into(room)
        assert (size, peer[0], bytes(room)) == (4, "127.0.0.1", b"defg\0\0")
        one.connect(address)
        assert one.send(b"x" * 5) == 5
        with pytest.raises(ValueError, match="buffer too small"):
            other.recv_into(room, 7)
        assert other.recv_into(room, 3) == 3  # the datagram was still there
        assert bytes(room) == b"xxxg\0\0"


def test_messages_with_ancillary_data(actor: Actor) -> None:
    one, other = actor.socketpair()
    with one, other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        assert one.sendmsg([b"ab", bytearray(b"cd")]) == 4
        data, ancillary, flags, _ = other.recvmsg(10, actor.CMSG_SPACE(12))
        assert (data, flags) == (b"abcd", 0)
        ((level, kind, raw),) = ancillary
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
        assert struct.unpack("iii", raw)[0] == actor.hello.pid
        one.sendmsg([b"abcdef"])
        rooms = [bytearray(2), bytearray(3)]
        assert other.recvmsg_into(rooms)[0] == 5
        assert rooms == [b"ab", b"cde"]


def test_options(actor: Actor) -> None:
    with actor.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        assert struct.unpack("ii", raw) == (1, 7)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_the_default_timeout_reaches_new_and_accepted_sockets(actor: Actor) -> None:
    actor.setdefaulttimeout(7.5)
    assert actor.getdefaulttimeout() == 7.5
    with actor.create_server(("127.0.0.1", 0)) as listener:
        assert listener.gettimeout() == 7.5
        with actor.create_connection(listener.getsockname()) as one:
            other, _ = listener.accept()
            with other:
                assert (one.gettimeout(), other.gettimeout()) == (7.5, 7.5)
    actor.setdefaulttimeout(None)
    with actor.socket() as sock:
        assert sock.gettimeout() is None


def test_create_connection_tells_of_every_try(actor: Actor) -> None:
    with actor.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = bound.getsockname()
        with pytest.raises(ConnectionRefusedError):
            actor.create_connection(address, timeout=5)
        with pytest.raises(ExceptionGroup) as group:
            actor.create_connection(address, timeout=5, all_errors=True)
        assert [type(each) for each in group.value.exceptions] == [ConnectionRefusedError]
        with pytest.raises(OSError, match="while attempting to bind"):
            actor.create_server(address)


def test_dup_and_detach(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    twin = one.dup()
    with twin:
        one.close()
        twin.sendall(b"still open")
        assert other.recv(20) == b"still open"
    assert other.recv(20) == b""
    number = other.detach()
    assert number >= 0
    assert other.fileno() == -1


def test_a_detached_descriptor_is_taken_back(pair: tuple[Socket, Socket], actor: Actor) -> None:
    one, other = pair
    family, address = other.family, other.getsockname()
    with actor.socket(fileno=other.detach()) as again:
        assert (again.family, again.type, again.getsockname()) == (family, socket.SOCK_STREAM, address)
        one.sendall(b"x")
        assert again.recv(1) == b"x"


def test_a_descriptor_that_is_none_or_no_socket_or_somebodys(
    pair: tuple[Socket, Socket], actor: Actor
) -> None:
    with pytest.raises(OSError, match="Bad file descriptor") as none:
        actor.socket(fileno=100_000)
    with pytest.raises(OSError, match="non-socket") as standard_input:
        actor.socket(fileno=0)
    assert [each.value.errno for each in (none, standard_input)] == [errno.EBADF, errno.ENOTSOCK]
    with pytest.raises(CallError, match="detach"):
        actor.socket(fileno=pair[0].descriptor())
    with pytest.raises(ValueError, match="negative"):
        actor.socket(fileno=-1)


def test_ten_mebibytes_arrive_whole(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    data = hashlib.shake_256(b"seed").digest(10 * 1024 * 1024)
    sending = one.begin.sendall(data)
    digest, size = hashlib.sha256(), 0
    while size < len(data):
        part = other.recv(1 << 20)
        assert part
        digest.update(part)
        size += len(part)
    sending.result(20)
    assert digest.digest() == hashlib.sha256(data).digest()


def test_what_the_actor_refuses_is_a_callerror(actor: Actor) -> None:
    with pytest.raises(CallError, match="client"):
        actor.call("recv", 10, on=4711)
    limit = actor.about()["limits"]["sockets"]
    with contextlib.ExitStack() as stack:
        for _ in range(limit):
            stack.enter_context(actor.socket())
        with pytest.raises(CallError, match=str(limit)):
            actor.socket()


def test_the_hosts_clock_is_ours(actor: Actor) -> None:
    # One machine has one monotonic clock: whatever is measured is the error of measuring.
    assert abs(actor.offset_ns) <= actor.offset_error_ns + 1_000_000
