"""Every call of a socket, over both backends and families: what it gives and what it raises."""

import errno
import select
import socket
import struct
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab
from socketlab.sockets import Socket
from tests.conformance.places import DEADLINE, Talk

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""
IP_RECVERR, IPV6_RECVERR = 11, 25
ERROR = struct.Struct("=IBBBBII")
"""`struct sock_extended_err`."""


def test_a_socket_has_the_types_of_the_real_one(talk: Talk) -> None:
    sock = talk.tcp()
    assert (sock.family, sock.type, sock.proto) == (talk.family.number, socket.SOCK_STREAM, 0)
    assert isinstance(sock.family, socket.AddressFamily)
    assert isinstance(sock.type, socket.SocketKind)
    assert sock.timeout is None
    assert sock.getblocking() is True
    assert sock.get_inheritable() is False
    assert type(sock.descriptor()) is int


def test_a_conversation(talk: Talk) -> None:
    listener = talk.tcp(talk.server)
    listener.bind((talk.family.of(talk.server), 0))
    listener.listen()
    at = listener.getsockname()
    assert at == talk.family.name((talk.family.of(talk.server), at[1]))
    pending = listener.begin.accept()
    near = talk.tcp()
    near.settimeout(DEADLINE)
    near.connect(at[:2])
    far, peer = pending.result(timeout=DEADLINE)
    with far:
        assert isinstance(far, Socket)
        assert peer == near.getsockname() == far.getpeername()
        assert near.getpeername() == at == far.getsockname()
        assert near.send(b"") == 0
        assert near.send(b"one") == 3
        near.sendall(b"two")
        assert near.sendmsg([b"th", b"ree"]) == 5
        assert far.recv(11, socket.MSG_WAITALL) == b"onetwothree"
        assert far.send(bytearray(b"answer")) == 6
        assert near.recv(3, socket.MSG_PEEK) == b"ans"
        assert near.recvfrom(3) == (b"ans", None)
        data, ancillary, flags, address = near.recvmsg(100)
        # A stream's sender is not told with its data; the kernel leaves the family of such an address out.
        assert (data, ancillary, flags, address) == (b"wer", [], 0, None)
        near.shutdown(socket.SHUT_WR)
        assert far.recv(10) == b""


def test_receiving_into_buffers(talk: Talk) -> None:
    near, far = talk.connection()
    far.sendall(b"abcdefghij")
    room = bytearray(4)
    assert near.recv_into(room) == 4
    assert room == b"abcd"
    assert near.recv_into(room, 2) == 2
    assert room == b"efcd"
    assert near.recvfrom_into(room, 1)[0] == 1
    one, other = bytearray(1), bytearray(5)
    seen, ancillary, _, _ = near.recvmsg_into([one, other])
    assert (seen, bytes(one), bytes(other[:2]), ancillary) == (3, b"h", b"ij", [])


def test_a_bad_argument_costs_no_data(talk: Talk) -> None:
    near, far = talk.connection()
    far.sendall(b"kept")
    with pytest.raises(ValueError, match="negative"):
        near.recv(-1)
    with pytest.raises(ValueError, match="buffer too small"):
        near.recv_into(bytearray(2), 3)
    with pytest.raises((TypeError, BufferError)):
        near.recv_into(b"constant")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        near.send("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        near.sendto(b"x")  # type: ignore[call-overload]
    assert near.recv(10) == b"kept"


def test_datagrams(talk: Talk) -> None:
    near, far = talk.udp(bound=True), talk.udp(talk.server, bound=True)
    assert near.sendto(b"one", far.getsockname()) == 3
    assert near.sendto(b"two", 0, far.getsockname()) == 3
    assert near.sendto(b"", far.getsockname()) == 0
    assert near.sendmsg([b"fo", b"ur"], [], 0, far.getsockname()) == 4
    far.settimeout(DEADLINE)
    assert far.recvfrom(100) == (b"one", near.getsockname())
    data, _, flags, sender = far.recvmsg(2)
    assert (data, flags & socket.MSG_TRUNC, sender) == (b"tw", socket.MSG_TRUNC, near.getsockname())
    assert far.recv(100) == b""
    room = bytearray(8)
    assert far.recvfrom_into(room) == (4, near.getsockname())
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        near.send(b"to whom?")
    assert caught.value.errno == errno.EDESTADDRREQ
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        near.sendto(bytes(65530), far.getsockname())
    assert caught.value.errno == errno.EMSGSIZE


def test_nobody_listens(talk: Talk) -> None:
    closed = talk.unused()
    with pytest.raises(ConnectionRefusedError) as caught:
        talk.tcp().connect(closed)
    assert caught.value.errno == errno.ECONNREFUSED
    assert str(caught.value) == "[Errno 111] Connection refused"
    assert any("client" in note and "connect" in note for note in caught.value.__notes__)
    assert talk.tcp().connect_ex(closed) == errno.ECONNREFUSED
    udp = talk.udp()
    udp.connect(closed)
    udp.settimeout(DEADLINE)
    udp.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        udp.recv(1)


def test_the_queue_of_errors(talk: Talk) -> None:
    if talk.family.number == socket.AF_INET6:
        level, option, origin, why = socket.IPPROTO_IPV6, IPV6_RECVERR, 3, (1, 4)
    else:
        level, option, origin, why = socket.IPPROTO_IP, IP_RECVERR, 2, (3, 3)
    closed = talk.unused()
    udp = talk.udp()
    udp.setsockopt(level, option, 1)
    udp.sendto(b"anybody?", closed)
    poller = talk.client.poll()
    poller.register(udp, 0)
    assert poller.poll(DEADLINE * 1000) == [(udp, select.POLLERR)]
    data, ancillary, flags, to = udp.recvmsg(100, 512, socket.MSG_ERRQUEUE)
    assert (data, flags & socket.MSG_ERRQUEUE) == (b"anybody?", socket.MSG_ERRQUEUE)
    assert to == talk.family.name(closed)
    ((got_level, got_option, raw),) = ancillary
    seen, seen_origin, kind, code, *_ = ERROR.unpack_from(raw)
    assert (got_level, got_option) == (level, option)
    assert (seen, seen_origin, (kind, code)) == (errno.ECONNREFUSED, origin, why)
    with pytest.raises(BlockingIOError):
        udp.recvmsg(100, 512, socket.MSG_ERRQUEUE)


def test_nobody_has_the_address(demo: Lab) -> None:
    """Three requests for the neighbour, a second apart: IPv4 and IPv6 wait side by side."""
    network = demo.plan.networks[0]
    assert network.subnet6 is not None
    dead = {socket.AF_INET: network.subnet[200], socket.AF_INET6: network.subnet6[200]}
    with demo.client.socket(socket.AF_INET) as four, demo.client.socket(socket.AF_INET6) as six:
        waits = [
            (sock, sock.begin.connect((str(dead[family]), 80)))
            for family, sock in zip(dead, (four, six), strict=True)
        ]
        for sock, pending in waits:
            with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
                pending.result(timeout=DEADLINE)
            assert caught.value.errno == errno.EHOSTUNREACH, sock


def test_a_syn_without_an_answer(demo: Lab) -> None:
    """A listener whose queue is full drops SYNs: with a timeout of Python's own, and one of the kernel's."""
    with (
        demo.server.socket() as listener,
        demo.client.socket() as first,
        demo.client.socket() as second,
        demo.client.socket() as third,
    ):
        listener.bind((demo.server.address, 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        third.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
        pending = third.begin.connect(listener.getsockname())
        second.settimeout(0.3)
        with pytest.raises(TimeoutError) as caught:
            second.connect(listener.getsockname())
        assert (caught.value.errno, caught.value.args) == (None, ("timed out",))
        with pytest.raises(TimeoutError) as caught:
            pending.result(timeout=DEADLINE)
        assert caught.value.errno == errno.ETIMEDOUT


def test_bind(talk: Talk) -> None:
    address = talk.family.of(talk.server)
    taken = talk.listener()
    for sock, where, expected in (
        (talk.tcp(talk.server), (address, taken.getsockname()[1]), errno.EADDRINUSE),
        (talk.tcp(talk.server), (address, 80), errno.EACCES),
        (talk.tcp(talk.server), (talk.family.of(talk.client), 0), errno.EADDRNOTAVAIL),
        (taken, (address, 0), errno.EINVAL),
    ):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
            sock.bind(where)
        assert caught.value.errno == expected
    free = talk.tcp(talk.server)
    free.bind((talk.family.wildcard, 0))
    assert free.getsockname()[0] == talk.family.wildcard
    both = talk.udp(talk.server)
    both.bind((address, taken.getsockname()[1]))  # TCP and UDP have their ports apart


def test_not_connected(talk: Talk) -> None:
    for call, expected in (
        (lambda: talk.tcp().recv(1), errno.ENOTCONN),
        (lambda: talk.tcp().getpeername(), errno.ENOTCONN),
        (lambda: talk.tcp().shutdown(socket.SHUT_RDWR), errno.ENOTCONN),
        (lambda: talk.tcp().send(b"x"), errno.EPIPE),
        (lambda: talk.tcp().accept(), errno.EINVAL),
        (lambda: talk.udp().listen(), errno.EOPNOTSUPP),
    ):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
            call()
        assert caught.value.errno == expected


def test_connected_already(talk: Talk) -> None:
    near, far = talk.connection()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        near.connect(far.getsockname())
    assert caught.value.errno == errno.EISCONN


def test_a_peer_that_ends(talk: Talk) -> None:
    near, far = talk.connection()
    near.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokenPipeError) as caught:
        near.send(b"x")
    assert caught.value.errno == errno.EPIPE
    far.close()
    assert near.recv(1) == b""


def test_a_peer_that_resets(talk: Talk) -> None:
    near, far = talk.connection()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert far.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == RESET
    pending = near.begin.recv(1)
    far.close()
    with pytest.raises(ConnectionResetError) as caught:
        pending.result(timeout=DEADLINE)
    assert caught.value.errno == errno.ECONNRESET
    assert near.recv(1) == b""  # an error is told once


def test_closing_with_data_unread_resets(talk: Talk) -> None:
    near, far = talk.connection()
    near.sendall(b"unread")
    assert far.recv(1, socket.MSG_PEEK) == b"u"
    far.close()
    with pytest.raises(ConnectionResetError):
        near.recv(1)
    with pytest.raises(BrokenPipeError):
        near.send(b"x")


def test_after_close(talk: Talk) -> None:
    sock = talk.tcp()
    sock.close()
    sock.close()
    assert sock.closed
    assert sock.fileno() == -1
    assert sock.descriptor() == -1
    assert "closed" in repr(sock)
    for call in (lambda: sock.recv(1), sock.getsockname, sock.listen, lambda: sock.send(b"x"), sock.dup):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
            call()
        assert caught.value.errno == errno.EBADF


def test_without_waiting(talk: Talk) -> None:
    listener = talk.listener()
    listener.setblocking(False)  # noqa: FBT003 - as the method has it
    assert listener.gettimeout() == 0.0
    with pytest.raises(BlockingIOError) as caught:
        listener.accept()
    assert caught.value.errno == errno.EAGAIN
    near = talk.tcp()
    near.setblocking(False)  # noqa: FBT003 - as the method has it
    assert near.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    _, writable, _ = talk.lab.select([], [near], [], DEADLINE)
    assert writable == [near]
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert near.connect_ex(listener.getsockname()) in {0, errno.EISCONN}
    assert talk.lab.select([listener], [], [], DEADLINE)[0] == [listener]
    far, _ = listener.accept()
    talk.keep(far)
    assert far.getblocking() is True
    with pytest.raises(BlockingIOError):
        near.recv(1)


def test_timeouts(talk: Talk) -> None:
    near, _ = talk.connection()
    near.settimeout(0.05)
    assert (near.gettimeout(), near.timeout) == (0.05, 0.05)
    with pytest.raises(TimeoutError) as caught:
        near.recv(1)
    assert caught.value.errno is None
    with pytest.raises(ValueError, match="out of range"):
        near.settimeout(-1)
    near.setblocking(True)  # noqa: FBT003 - as the method has it
    assert near.gettimeout() is None


def test_options(talk: Talk) -> None:
    sock = talk.tcp()
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, struct.pack("i", 1))
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 4) == struct.pack("i", 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, None, 0)
    if talk.family.number == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        sock.getsockopt(socket.IPPROTO_TCP, 9999)
    assert caught.value.errno == errno.ENOPROTOOPT
    with pytest.raises(TypeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, "1")  # type: ignore[call-overload]
    sock.set_inheritable(True)
    assert sock.get_inheritable() is True


def test_ancillary_data(talk: Talk) -> None:
    near, far = talk.datagrams()
    if talk.family.number == socket.AF_INET6:
        level, option, kind, wanted = (
            socket.IPPROTO_IPV6,
            socket.IPV6_RECVHOPLIMIT,
            socket.IPV6_HOPLIMIT,
            struct.pack("i", 9),
        )
        near.setsockopt(level, socket.IPV6_UNICAST_HOPS, 9)
    else:
        level, option, kind, wanted = socket.IPPROTO_IP, 12, socket.IP_TTL, struct.pack("i", 9)  # IP_RECVTTL
        near.setsockopt(level, socket.IP_TTL, 9)
    far.setsockopt(level, option, 1)
    far.settimeout(DEADLINE)
    near.send(b"hops")
    data, ancillary, _, _ = far.recvmsg(10, talk.server.CMSG_SPACE(4))
    assert (data, ancillary) == (b"hops", [(level, kind, wanted)])


def test_what_the_kernel_knows_of_a_connection(talk: Talk) -> None:
    near, far = talk.connection()
    near.sendall(b"x" * 1000)
    assert far.recv(1000, socket.MSG_WAITALL) == b"x" * 1000
    far.send(b"!")
    assert near.recv(1) == b"!"
    info = near.tcp_info()
    assert info["state"] == "ESTAB"
    assert info["bytes_acked"] >= 1000
    assert info["bytes_received"] == 1
    assert info["snd_mss"] <= 1460
    assert info["total_retrans"] == 0
    with pytest.raises(OSError):  # noqa: PT011 - which one is the kernel's affair
        talk.udp().tcp_info()


def test_select_poll_epoll(talk: Talk) -> None:
    near, far = talk.connection()
    quiet, _ = talk.connection()
    assert talk.client.select([near, quiet], [], [], 0) == ([], [], [])
    far.send(b"x")
    assert talk.client.select([near, quiet], [near], [], DEADLINE) == ([near], [near], [])
    assert talk.lab.select([near, far], [], [], DEADLINE) == ([near], [], [])
    poller = talk.client.poll()
    poller.register(near, select.POLLIN)
    poller.register(quiet, select.POLLIN)
    assert poller.poll(DEADLINE * 1000) == [(near, select.POLLIN)]
    poller.modify(near, select.POLLOUT)
    assert poller.poll(DEADLINE * 1000) == [(near, select.POLLOUT)]
    poller.unregister(near)
    assert poller.poll(0) == []
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        poller.modify(near, select.POLLIN)
    assert caught.value.errno == errno.ENOENT
    with talk.client.epoll() as epoll:
        epoll.register(near, select.EPOLLIN)
        epoll.register(quiet, select.EPOLLIN)
        assert epoll.poll(DEADLINE) == [(near, select.EPOLLIN)]
        far.close()
        near.recv(1)
        assert epoll.poll(DEADLINE) == [(near, select.EPOLLIN)]
        epoll.unregister(near)
        assert epoll.poll(0) == []


def test_select_is_for_sockets_over_there(talk: Talk) -> None:
    sock = talk.tcp()
    for use in (sock.fileno, lambda: select.select([sock], [], [], 0)):
        with pytest.raises(TypeError, match=r"lab\.select"):
            use()


def test_files(talk: Talk) -> None:
    near, far = talk.connection()
    with near.makefile("w", encoding="utf-8", newline="\n") as out, far.makefile("rb") as come:
        out.write("línea uno\nlínea dos\n")
        out.flush()
        assert come.readline() == "línea uno\n".encode()
        far.close()
        assert come.readline() == "línea dos\n".encode()  # the file keeps the connection open
    assert near.recv(1) == b""


def test_sending_a_file(talk: Talk, tmp_path: Path) -> None:
    data = bytes(range(256)) * 600
    file = tmp_path / "data"
    file.write_bytes(data)
    near, far = talk.connection()
    with file.open("rb") as source:
        assert near.sendfile(source, offset=100, count=150_000) == 150_000
        assert source.tell() == 150_100
    near.shutdown(socket.SHUT_WR)
    with far.makefile("rb") as come:
        assert come.read() == data[100:150_100]


def test_dup(talk: Talk) -> None:
    near, far = talk.connection()
    with near.dup() as twin:
        assert twin.descriptor() != near.descriptor()
        assert twin.getpeername() == near.getpeername()
        near.close()
        twin.send(b"still")
        assert far.recv(10) == b"still"
    assert far.recv(10) == b""


def test_descriptors_by_number(talk: Talk) -> None:
    near, far = talk.connection()
    with talk.client.socket(fileno=near.detach()) as again:
        again.sendall(b"taken back")
        assert far.recv(20) == b"taken back"
    assert far.recv(20) == b""
    for number, expected in ((0, errno.ENOTSOCK), (100_000, errno.EBADF)):
        with pytest.raises(OSError, match=r"descriptor|socket") as caught:
            talk.client.socket(fileno=number)
        assert caught.value.errno == expected


def test_detach(talk: Talk) -> None:
    near, far = talk.connection()
    number = near.descriptor()
    assert near.detach() == number
    assert near.fileno() == -1
    far.setblocking(False)  # noqa: FBT003 - as the method has it
    with pytest.raises(BlockingIOError):  # nobody owns the descriptor now, and it is open
        far.recv(1)
    far.setblocking(True)  # noqa: FBT003 - as the method has it
    talk.client.actor.close()  # which ends it
    assert far.recv(1) == b""


def test_arranged_calls(talk: Talk) -> None:
    address = talk.family.of(talk.server)
    server = talk.keep(talk.server.create_server((address, 0), family=talk.family.number, backlog=3))
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
    near = talk.keep(talk.client.create_connection((address, server.getsockname()[1]), timeout=DEADLINE))
    assert near.gettimeout() == DEADLINE
    far, peer = server.accept()
    talk.keep(far)
    assert peer == near.getsockname()
    with pytest.raises(ConnectionRefusedError):
        talk.client.create_connection(talk.unused())
