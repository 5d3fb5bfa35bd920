"""Calls on sockets: each is the real one."""

import errno
import hashlib
import os
import select
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from socketlab.wire.values import Handle
from tests.loopback.actor.driving import Driven

STREAM, DGRAM = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)
YES, NO = True, False
BAD = ("OSError", (errno.EBADF, os.strerror(errno.EBADF)))


def pair(actor: Driven, kind: int = STREAM) -> tuple[Handle, Handle]:
    one, other = actor.call("socketpair", int(socket.AF_UNIX), kind, 0)
    return one, other


def listening(actor: Driven, host: str = "127.0.0.1") -> tuple[Handle, Any]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = actor.call("socket", int(family), STREAM, 0)
    actor.call("setsockopt", int(socket.SOL_SOCKET), int(socket.SO_REUSEADDR), 1, on=listener)
    actor.call("bind", (host, 0), on=listener)
    actor.call("listen", 5, on=listener)
    return listener, actor.call("getsockname", on=listener)


def connected(actor: Driven, host: str = "127.0.0.1") -> tuple[Handle, Handle, Handle]:
    listener, address = listening(actor, host)
    client = actor.call("socket", listener.family, STREAM, 0)
    actor.call("connect", address, on=client)
    conn, peer = actor.call("accept", on=listener)
    assert peer == actor.call("getsockname", on=client) == actor.call("getpeername", on=conn)
    return listener, client, conn


def test_a_conversation_over_tcp(actor: Driven, loopback: str) -> None:
    listener, client, conn = connected(actor, loopback)
    assert (conn.what, conn.family, conn.type, conn.proto) == ("socket", listener.family, 1, 0)
    assert actor.call("send", b"hello", on=client) == 5
    assert actor.call("recv", 3, int(socket.MSG_PEEK), on=conn) == b"hel"
    assert actor.call("recv", 100, on=conn) == b"hello"
    assert actor.call("sendall", b"again", on=conn) is None
    data, _ = actor.call("recvfrom", 100, on=client)
    assert data == b"again"
    assert actor.call("sendmsg", [b"a", b"", b"bc"], [], 0, None, on=client) == 3
    assert actor.call("recvmsg", 10, 0, 0, on=conn)[:3] == (b"abc", [], 0)
    assert actor.call("tcp_info", on=conn)["bytes_received"] == 8
    assert actor.call("shutdown", int(socket.SHUT_WR), on=client) is None
    assert actor.call("recv", 1, on=conn) == b""
    assert actor.call("tcp_info", on=conn)["state"] == "CLOSE-WAIT"
    assert actor.call("connect_ex", (loopback, 1), on=conn) == errno.EISCONN
    assert actor.raised("bind", (loopback, 0), on=conn) == ("OSError", (errno.EINVAL, "Invalid argument"))


def test_what_the_kernel_refuses_is_raised(actor: Driven) -> None:
    listener, address = listening(actor)
    client = actor.call("socket", 2, STREAM, 0)
    assert actor.raised("recv", 1, on=client) == ("OSError", (errno.ENOTCONN, os.strerror(errno.ENOTCONN)))
    assert actor.raised("send", b"x", on=client) == ("BrokenPipeError", (errno.EPIPE, "Broken pipe"))
    assert actor.raised("accept", on=client) == ("OSError", (errno.EINVAL, "Invalid argument"))
    assert actor.raised("bind", address, on=client)[1][0] == errno.EADDRINUSE
    actor.call("close", on=listener)
    assert actor.raised("connect", address, on=client) == (
        "ConnectionRefusedError",
        (errno.ECONNREFUSED, "Connection refused"),
    )
    assert actor.call("connect_ex", address, on=client) == errno.ECONNREFUSED


def test_what_python_refuses_is_raised(actor: Driven) -> None:
    one, _ = pair(actor)
    assert actor.raised("recv", -1, on=one)[0] == "ValueError"
    assert actor.raised("recv", 1, "x", on=one)[0] == "TypeError"
    assert actor.raised("recv", on=one)[0] == "TypeError"
    assert actor.raised("send", "text", on=one) == (
        "TypeError",
        ("a bytes-like object is required, not 'str'",),
    )
    tcp = actor.call("socket", 2, STREAM, 0)
    assert actor.raised("connect", ("127.0.0.1", 70000), on=tcp)[0] == "OverflowError"
    assert actor.raised("bind", "text", on=tcp)[0] == "TypeError"
    assert actor.raised("settimeout", -1, on=tcp) == ("ValueError", ("Timeout value out of range",))


def test_a_reset_arrives(actor: Driven) -> None:
    _, client, conn = connected(actor)
    actor.call("setsockopt", int(socket.SOL_SOCKET), int(socket.SO_LINGER), struct.pack("ii", 1, 0), on=conn)
    actor.call("close", on=conn)
    assert actor.raised("recv", 1, on=client)[0] == "ConnectionResetError"


def test_options_of_all_kinds(actor: Driven) -> None:
    one = actor.call("socket", 2, STREAM, 0)
    level, option = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY)
    assert actor.call("getsockopt", level, option, on=one) == 0
    actor.call("setsockopt", level, option, 1, on=one)
    assert actor.call("getsockopt", level, option, on=one) == 1
    linger = struct.pack("ii", 1, 7)
    actor.call("setsockopt", int(socket.SOL_SOCKET), int(socket.SO_LINGER), linger, on=one)
    assert actor.call("getsockopt", int(socket.SOL_SOCKET), int(socket.SO_LINGER), 8, on=one) == linger
    device = int(socket.SO_BINDTODEVICE)
    assert actor.call("setsockopt", int(socket.SOL_SOCKET), device, None, 0, on=one) is None
    assert actor.raised("getsockopt", 99, 99, on=one)[1][0] in {errno.ENOPROTOOPT, errno.EOPNOTSUPP}


def test_modes(actor: Driven) -> None:
    one, other = pair(actor)
    assert actor.call("getblocking", on=one) is True
    actor.call("setblocking", NO, on=one)
    assert actor.call("gettimeout", on=one) == 0.0
    assert actor.raised("recv", 1, on=one)[0] == "BlockingIOError"
    actor.call("settimeout", 0.02, on=one)
    assert actor.raised("recv", 1, on=one) == ("TimeoutError", ("timed out",))
    actor.call("sendall", b"x", on=other)
    assert actor.call("recv", 1, on=one) == b"x"
    assert actor.call("get_inheritable", on=one) is False
    actor.call("set_inheritable", YES, on=one)
    assert actor.call("get_inheritable", on=one) is True


def test_a_full_buffer(actor: Driven) -> None:
    one, _ = pair(actor)
    actor.call("settimeout", 0, on=one)
    sent = 0
    while (answer := actor.ask("send", bytes(65536), on=one)).__class__.__name__ == "Value":
        sent += answer.value  # type: ignore[union-attr]
    assert sent > 65536
    actor.call("settimeout", 0.02, on=one)
    assert actor.raised("send", b"x", on=one) == ("TimeoutError", ("timed out",))
    assert actor.raised("sendall", bytes(65536), on=one) == ("TimeoutError", ("timed out",))


@pytest.mark.parametrize("timeout", [None, 10])
def test_a_send_without_room_goes_on_when_there_is_some(actor: Driven, timeout: int | None) -> None:
    one, other = pair(actor)
    actor.call("settimeout", timeout, on=one)
    data = os.urandom(1_000_000)
    sending = actor.begin("sendall", data, on=one)
    got = b""
    while len(got) < len(data):
        got += actor.call("recv", 65536, on=other)
    assert got == data
    assert actor.value(sending) is None
    small = actor.begin("send", data[:200_000], on=one)  # less than is tried, more than fits at once
    got = b""
    if timeout is None:
        while len(got) < 200_000:
            got += actor.call("recv", 65536, on=other)
        assert actor.value(small) == 200_000
    else:
        assert 0 < actor.value(small) <= 200_000


def test_ten_mebibytes_by_hash(actor: Driven) -> None:
    _, client, conn = connected(actor)
    data = os.urandom(10 * 1024 * 1024)
    sending = actor.begin("sendall", data, on=client)
    seen, size = hashlib.sha256(), 0
    while size < len(data):
        piece = actor.call("recv", 4 * 1024 * 1024, on=conn)
        seen.update(piece)
        size += len(piece)
    assert actor.value(sending) is None
    assert seen.digest() == hashlib.sha256(data).digest()


def test_datagrams(actor: Driven, loopback: str) -> None:
    family = int(socket.AF_INET6 if ":" in loopback else socket.AF_INET)
    one, other = (actor.call("socket", family, DGRAM, 0) for _ in range(2))
    actor.call("bind", (loopback, 0), on=one)
    address = actor.call("getsockname", on=one)
    assert actor.call("sendto", b"first", address, on=other) == 5
    assert actor.call("sendto", b"", 0, address, on=other) == 0
    assert actor.call("sendmsg", [b"th", b"ird"], [], 0, address, on=other) == 5
    sender = actor.call("getsockname", on=other)
    first, peer = actor.call("recvfrom", 100, on=one)
    assert (first, peer[1]) == (b"first", sender[1])
    assert actor.call("recv", 100, on=one) == b""
    assert actor.call("recvmsg", 2, 0, 0, on=one)[:3] == (b"th", [], int(socket.MSG_TRUNC))
    actor.call("connect", address, on=other)
    assert actor.call("getpeername", on=other) == address
    assert actor.raised("sendto", b"x", on=other)[0] == "TypeError"


def test_the_error_queue(actor: Driven) -> None:
    one = actor.call("socket", 2, DGRAM, 0)
    closed = actor.call("socket", 2, DGRAM, 0)
    actor.call("bind", ("127.0.0.1", 0), on=closed)
    address = actor.call("getsockname", on=closed)
    actor.call("close", on=closed)
    recverr = 11  # linux/in.h: IP_RECVERR
    actor.call("setsockopt", int(socket.IPPROTO_IP), recverr, 1, on=one)
    actor.call("connect", address, on=one)
    actor.call("send", b"nobody there", on=one)
    data, ancillary, flags, _ = actor.call("recvmsg", 100, 512, int(socket.MSG_ERRQUEUE), on=one)
    assert data == b"nobody there"
    assert flags & socket.MSG_ERRQUEUE
    ((level, kind, error),) = ancillary
    assert (level, kind) == (socket.IPPROTO_IP, recverr)
    assert struct.unpack_from("I", error)[0] == errno.ECONNREFUSED


def test_urgent_data_and_low_water(actor: Driven) -> None:
    _, client, conn = connected(actor)
    actor.call("send", b"!", int(socket.MSG_OOB), on=client)
    (ready,) = actor.call("select", [], [], [conn.number], 10)[2]
    assert ready == conn.number
    assert actor.call("recv", 1, int(socket.MSG_OOB), on=conn) == b"!"
    waiting = actor.begin("recv", 4, int(socket.MSG_WAITALL), on=conn)
    actor.call("send", b"ab", on=client)
    assert not actor.answered(waiting)
    actor.call("send", b"cd", on=client)
    assert actor.value(waiting) == b"abcd"
    actor.call("setsockopt", int(socket.SOL_SOCKET), int(socket.SO_RCVLOWAT), 3, on=conn)
    actor.call("send", b"ab", on=client)
    low = actor.begin("recv", 10, on=conn)
    assert not actor.answered(low)
    actor.call(
        "send", b"cde", on=client
    )  # fewer than three would not wake it: the kernel has given two already
    assert actor.value(low) == b"abcde"


def test_unix_sockets_with_a_path_and_without(actor: Driven, tmp_path: Path) -> None:
    for name in (str(tmp_path / "socket"), f"\0socketlab-{os.getpid()}-{actor.pid}"):
        listener = actor.call("socket", int(socket.AF_UNIX), STREAM, 0)
        actor.call("bind", name, on=listener)
        actor.call("listen", 1, on=listener)
        seen = actor.call("getsockname", on=listener)
        assert seen == (name.encode() if name.startswith("\0") else name)
        client = actor.call("socket", int(socket.AF_UNIX), STREAM, 0)
        actor.call("connect", seen, on=client)
        conn, peer = actor.call("accept", on=listener)
        assert peer == ""
        actor.call("send", b"x", on=client)
        assert actor.call("recv", 9, on=conn) == b"x"


def test_descriptors_that_come_are_closed(actor: Driven) -> None:
    one, other = pair(actor)
    number = actor.call("fileno", on=one)
    rights = [(int(socket.SOL_SOCKET), int(socket.SCM_RIGHTS), struct.pack("ii", number, number))]
    before = actor.descriptors()
    assert actor.call("sendmsg", [b"x"], rights, 0, None, on=one) == 1
    data, ((level, kind, passed),), _, _ = actor.call("recvmsg", 9, 64, 0, on=other)
    assert (data, level, kind, len(passed)) == (b"x", socket.SOL_SOCKET, socket.SCM_RIGHTS, 8)
    assert actor.descriptors() == before


def test_closed_is_closed(actor: Driven) -> None:
    one, other = pair(actor)
    actor.call("settimeout", 3, on=one)
    actor.call("close", on=one)
    actor.call("close", on=one)
    assert actor.call("fileno", on=one) == -1
    assert actor.call("gettimeout", on=one) == 3
    for name, args in [
        ("recv", (1,)),
        ("recvfrom", (1,)),
        ("recvmsg", (1,)),
        ("send", (b"x",)),
        ("sendall", (b"x",)),
        ("sendto", (b"x", "/none")),
        ("sendmsg", ([b"x"],)),
        ("accept", ()),
        ("bind", ("/none",)),
        ("connect", ("/none",)),
        ("dup", ()),
        ("getpeername", ()),
        ("getsockname", ()),
        ("getsockopt", (1, 2)),
        ("listen", (1,)),
        ("setsockopt", (1, 2, 1)),
        ("shutdown", (2,)),
        ("tcp_info", ()),
    ]:
        assert actor.raised(name, *args, on=one) == BAD, name
    assert actor.call("connect_ex", "/none", on=one) == errno.EBADF
    assert actor.raised("select", [one.number], [], [], 0)[0] == "ValueError"
    assert actor.call("recv", 1, on=other) == b""
    assert actor.call("about")["sockets"] == 1


def test_dup_and_detach(actor: Driven) -> None:
    one, other = pair(actor)
    again = actor.call("dup", on=one)
    assert (again.family, again.type) == (one.family, one.type)
    actor.call("close", on=one)
    actor.call("send", b"x", on=again)
    assert actor.call("recv", 1, on=other) == b"x"
    number = actor.call("fileno", on=again)
    assert actor.call("detach", on=again) == number
    assert actor.call("fileno", on=again) == -1
    assert actor.raised("send", b"x", on=again) == BAD
    assert actor.call("about")["sockets"] == 2  # the detached one stays open
    actor.call("close", on=again)
    waiting = actor.begin("recv", 1, on=other)
    assert not actor.answered(waiting)
    actor.call("forget", [again.number])
    assert actor.call("about")["sockets"] == 2


def test_select_poll_and_epoll(actor: Driven) -> None:
    one, other = pair(actor)
    assert actor.call("select", [one.number, other.number], [], [], 0.01) == ([], [], [])
    assert actor.call("select", [], [one.number], [], None) == ([], [one.number], [])
    poller, epoll = actor.call("poll"), actor.call("epoll")
    waits = []
    for each in (poller, epoll):
        actor.call("register", one.number, select.POLLIN, on=each)
        actor.call("register", other.number, select.POLLIN, on=each)
        assert actor.call("poll", 0, on=each) == []
        assert actor.call("poll", 0.01, on=each) == []
        waits.append(actor.begin("poll", -1, on=each))
    waits.append(actor.begin("select", [one.number], [], [], 10))
    assert not any(actor.answered(wait) for wait in waits)
    actor.call("send", b"x", on=other)
    assert [actor.value(wait) for wait in waits[:2]] == [[(one.number, select.POLLIN)]] * 2
    assert actor.value(waits[2]) == ([one.number], [], [])
    for each in (poller, epoll):
        actor.call("modify", one.number, select.POLLOUT, on=each)
        assert actor.call("poll", 1, on=each) == [(one.number, select.POLLOUT)]
        actor.call("unregister", one.number, on=each)
        assert actor.call("poll", 0, on=each) == []
    actor.call("register", one.number, select.EPOLLIN | select.EPOLLET, on=epoll)
    assert actor.call("poll", 1, 1, on=epoll) == [(one.number, select.EPOLLIN)]
    assert actor.call("poll", 0, on=epoll) == []
    assert actor.raised("modify", one.number, 1, on=poller)[1][0] == errno.ENOENT
    actor.call("close", on=epoll)
    actor.call("close", on=poller)
    assert actor.raised("poll", 0, on=epoll)[0] == "ValueError"


def test_a_name_is_looked_up_without_holding_others_up(actor: Driven) -> None:
    udp = actor.call("socket", 2, DGRAM, 0)
    receiver = actor.call("socket", 2, DGRAM, 0)
    actor.call("bind", ("localhost", 0), on=receiver)
    _, port = actor.call("getsockname", on=receiver)
    assert actor.call("sendto", b"x", ("localhost", port), on=udp) == 1
    assert actor.call("recv", 9, on=receiver) == b"x"
