"""Socket options, asked of the sockets themselves, and felt by clients."""

import errno
import signal
import socket
import struct
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.server.cells import CELLS
from services.server.errors import OpenError
from services.server.listeners import (
    Bound,
    open_both,
    open_both_groups,
    open_tcp,
    open_tcp_group,
    open_udp,
    open_udp_group,
    open_unix,
    remove_unix,
)
from services.server.socket_options import DEFAULTS, Keepalive, SocketOptions
from tests.loopback.peeking import accepted
from tests.loopback.running import DEADLINE, run_server, send_without_reading, served

RESETS_AT_CLOSE = struct.pack("ii", 1, 0)
_WSCALE_AT = 6
"""In `struct tcp_info`: the scales, the peer's in the lower half of the byte."""


@dataclass(frozen=True)
class Case:
    """An option, how it is asked for, and what getsockopt() gives then."""

    asked: str
    options: SocketOptions
    level: int
    option: int
    gives: bytes

    def __str__(self) -> str:
        return self.asked


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a Unix socket, short whatever the folder's name."""
    monkeypatch.chdir(tmp_path)
    return "s"


def number(value: int) -> bytes:
    return struct.pack("i", value)


_TCP, _SOCKET = socket.IPPROTO_TCP, socket.SOL_SOCKET
_KEEPALIVE = SocketOptions(keepalive=Keepalive(71, 17, 7))
CASES = [
    Case("", DEFAULTS, _TCP, socket.TCP_NODELAY, number(1)),
    Case("--no-nodelay", SocketOptions(nodelay=False), _TCP, socket.TCP_NODELAY, number(0)),
    Case("", DEFAULTS, _SOCKET, socket.SO_KEEPALIVE, number(0)),
    Case("--keepalive 71:17:7", _KEEPALIVE, _SOCKET, socket.SO_KEEPALIVE, number(1)),
    Case("--keepalive 71:17:7", _KEEPALIVE, _TCP, socket.TCP_KEEPIDLE, number(71)),
    Case("--keepalive 71:17:7", _KEEPALIVE, _TCP, socket.TCP_KEEPINTVL, number(17)),
    Case("--keepalive 71:17:7", _KEEPALIVE, _TCP, socket.TCP_KEEPCNT, number(7)),
    Case("", DEFAULTS, _SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0)),
    Case("--linger 0", SocketOptions(linger=0), _SOCKET, socket.SO_LINGER, RESETS_AT_CLOSE),
    Case("--linger 3", SocketOptions(linger=3), _SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3)),
    Case(
        "--receive-buffer 50000",
        SocketOptions(receive_buffer=50_000),
        _SOCKET,
        socket.SO_RCVBUF,
        number(100_000),  # socket(7): the kernel doubles it
    ),
    Case("--send-buffer 40000", SocketOptions(send_buffer=40_000), _SOCKET, socket.SO_SNDBUF, number(80_000)),
    Case("--user-timeout 1.5", SocketOptions(user_timeout=1.5), _TCP, socket.TCP_USER_TIMEOUT, number(1500)),
    Case("--user-timeout 0.001", SocketOptions(user_timeout=0.001), _TCP, socket.TCP_USER_TIMEOUT, number(1)),
]
EVERY_OPTION = (
    "--no-nodelay --keepalive 71:17:7 --linger 3"
    " --receive-buffer 50000 --send-buffer 40000 --user-timeout 1.5"
)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as stack:
        yield stack


def client_of(opened: ExitStack, sock: socket.socket, address: str = "127.0.0.1") -> socket.socket:
    """A client of a listener or a datagram socket."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = opened.enter_context(socket.socket(family, sock.type))
    client.settimeout(DEADLINE)
    client.connect((address, sock.getsockname()[1]))
    return client


def gives(sock: socket.socket, case: Case) -> bytes:
    return sock.getsockopt(case.level, case.option, len(case.gives))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_accepted_socket_inherits_every_option(case: Case, loopback: str, opened: ExitStack) -> None:
    listener = opened.enter_context(open_tcp(None, 0, 5, case.options))
    client_of(opened, listener, loopback)
    conn = opened.enter_context(listener.accept()[0])
    assert gives(listener, case) == gives(conn, case) == case.gives


@pytest.mark.parametrize("style", CELLS)
def test_a_connection_of_every_style_has_every_option(style: str) -> None:
    cases = [case for case in CASES if case.asked and case.asked in EVERY_OPTION]
    assert {case.asked.split()[0] for case in cases} == {
        word for word in EVERY_OPTION.split() if word.startswith("--")
    }
    with (
        served("--style", style, *EVERY_OPTION.split()) as server,
        socket.create_connection(("127.0.0.1", server.port("echo")), timeout=DEADLINE) as client,
    ):
        client.sendall(b"x")
        assert client.recv(1) == b"x"  # whoever serves it has it by now
        with accepted(server.process.pid, client) as conn:
            assert [(case, gives(conn, case)) for case in cases] == [(case, case.gives) for case in cases]


def test_a_unix_connection_inherits_nothing(opened: ExitStack, short: str) -> None:
    """Which is why it is refused there."""
    listener = opened.enter_context(socket.socket(socket.AF_UNIX))
    for case in CASES:
        if case.level == _SOCKET and case.asked:
            value = case.options.send_buffer or case.options.receive_buffer or case.gives
            listener.setsockopt(case.level, case.option, value)
    listener.bind(short)
    listener.listen()
    client = opened.enter_context(socket.socket(socket.AF_UNIX))
    client.connect(short)
    conn = opened.enter_context(listener.accept()[0])
    assert [
        case for case in CASES if case.level == _SOCKET and case.asked and gives(conn, case) == case.gives
    ] == []


def test_a_receive_buffer_is_in_time_for_the_window_scale(opened: ExitStack) -> None:
    def scale(options: SocketOptions) -> int:
        listener = opened.enter_context(open_tcp("127.0.0.1", 0, 5, options))
        client = client_of(opened, listener)
        return client.getsockopt(_TCP, socket.TCP_INFO, 32)[_WSCALE_AT] & 0x0F

    small, usual = scale(SocketOptions(receive_buffer=4096)), scale(DEFAULTS)
    assert small < usual


def test_a_small_receive_buffer_is_felt_by_a_client_that_sends(opened: ExitStack) -> None:
    def taken(size: int) -> int:
        listener = opened.enter_context(open_tcp("127.0.0.1", 0, 5, SocketOptions(receive_buffer=size)))
        client = opened.enter_context(socket.socket())
        client.setsockopt(_SOCKET, socket.SO_SNDBUF, 8192)
        client.connect(listener.getsockname())
        return send_without_reading(client)

    assert taken(4096) < taken(1_000_000)


@pytest.mark.parametrize(("asked", "resets"), [([], False), (["--linger", "0"], True)], ids=str)
def test_linger_0_makes_a_close_a_reset(asked: list[str], resets: bool, opened: ExitStack) -> None:  # noqa: FBT001 - a parameter of the test
    with served("--style", "threaded", "--max-connections", "1", *asked) as server:
        where = ("127.0.0.1", server.port("echo"))
        first = opened.enter_context(socket.create_connection(where, DEADLINE))
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        with pytest.raises(ConnectionResetError) if resets else nullcontext():
            # One too many: the reset may be there before connect() has returned.
            assert opened.enter_context(socket.create_connection(where, DEADLINE)).recv(1) == b""


def test_without_an_address_it_is_dual_stack(loopback: str, opened: ExitStack) -> None:
    listener = opened.enter_context(open_tcp(None, 0, 5))
    client_of(opened, listener, loopback)
    datagram = opened.enter_context(open_udp(None, 0))
    client_of(opened, datagram, loopback).send(b"x")
    datagram.settimeout(DEADLINE)
    assert datagram.recv(10) == b"x"


@pytest.mark.parametrize("address", [None, "::"], ids=["no-address", "any"])
def test_v6_only_leaves_ipv4_to_others(address: str | None, opened: ExitStack) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    listener = opened.enter_context(open_tcp(address, 0, 5, SocketOptions(v6_only=True)))
    client_of(opened, listener, "::1")
    with pytest.raises(ConnectionRefusedError):
        client_of(opened, listener)
    opened.enter_context(open_tcp("0.0.0.0", listener.getsockname()[1], 5))


@pytest.mark.parametrize(
    "open_one",
    [
        lambda port, options: open_tcp(None, port, 5, options),
        lambda port, options: open_udp(None, port, options),
    ],
    ids=["tcp", "udp"],
)
def test_reuse_port_shares_and_nothing_else_does(
    open_one: Callable[[int, SocketOptions], socket.socket], opened: ExitStack
) -> None:
    sharing = SocketOptions(reuse_port=True)
    port = opened.enter_context(open_one(0, sharing)).getsockname()[1]
    opened.enter_context(open_one(port, sharing))
    with pytest.raises(OpenError, match="EADDRINUSE"):
        open_one(port, DEFAULTS)


def test_reuse_addr_does_not_wait_for_old_connections(opened: ExitStack) -> None:
    first = opened.enter_context(open_tcp("127.0.0.1", 0, 5))
    port = first.getsockname()[1]
    client = client_of(opened, first)
    conn, _ = first.accept()
    conn.close()  # who closes first has the TIME_WAIT
    assert client.recv(1) == b""
    client.close()
    first.close()
    with pytest.raises(OpenError, match="EADDRINUSE"):
        open_tcp("127.0.0.1", port, 5, SocketOptions(reuse_addr=False))
    opened.enter_context(open_tcp("127.0.0.1", port, 5))


def test_reuse_addr_does_not_share_with_one_that_listens(opened: ExitStack) -> None:
    port = opened.enter_context(open_tcp(None, 0, 5)).getsockname()[1]
    with pytest.raises(OpenError, match="EADDRINUSE"):
        open_tcp(None, port, 5)


@pytest.mark.parametrize("address", [None, "127.0.0.1", "::1"])
def test_a_tcp_group_shares_connections_out(address: str | None, opened: ExitStack) -> None:
    group = open_tcp_group(address, 0, 256, count=3)
    for listener in group:
        opened.enter_context(listener)
        listener.settimeout(0)
    assert len({listener.getsockname() for listener in group}) == 1
    for _ in range(200):
        client_of(opened, group[0], address or "127.0.0.1")
    taken = [accept_all(listener, opened) for listener in group]
    assert sum(taken) == 200
    assert min(taken) > 0


@pytest.mark.parametrize("address", [None, "127.0.0.1", "::1"])
def test_a_udp_group_shares_peers_out(address: str | None, opened: ExitStack) -> None:
    group = open_udp_group(address, 0, count=3)
    for sock in group:
        opened.enter_context(sock)
        sock.settimeout(0)
    clients = [client_of(opened, group[0], address or "127.0.0.1") for _ in range(100)]
    for _ in range(3):
        for client in clients:
            client.send(b"x")
    peers = [receive_all(sock) for sock in group]
    assert sum(len(each) for each in peers) == 300
    assert min(len(each) for each in peers) > 0
    assert sum(len(set(each)) for each in peers) == 100  # no peer is served by two


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("first", ["group", "one"])
def test_a_group_takes_no_port_that_is_in_use(kind: str, first: str, opened: ExitStack) -> None:
    """Not even that of another group of the same user, which the kernel would allow."""

    def open_group(port: int, count: int) -> list[socket.socket]:
        if kind == "tcp":
            return open_tcp_group("127.0.0.1", port, 5, count=count)
        return open_udp_group("127.0.0.1", port, count=count)

    group = open_group(0, 2 if first == "group" else 1)
    for sock in group:
        opened.enter_context(sock)
    with pytest.raises(OpenError, match="EADDRINUSE"):
        open_group(group[0].getsockname()[1], 2)


def test_a_group_that_asks_for_it_shares_with_another(opened: ExitStack) -> None:
    sharing = SocketOptions(reuse_port=True)
    group = open_tcp_group("127.0.0.1", 0, 5, sharing, 2)
    group += open_tcp_group("127.0.0.1", group[0].getsockname()[1], 5, sharing, 2)
    for sock in group:
        opened.enter_context(sock)
    assert len({sock.getsockname() for sock in group}) == 1


def test_tcp_and_udp_are_opened_on_one_port(opened: ExitStack) -> None:
    pair = open_both(None, 0, 5)
    streams, datagrams = open_both_groups("127.0.0.1", 0, 5, count=2)
    for sock in (*pair, *streams, *datagrams):
        opened.enter_context(sock)
    assert len({sock.getsockname()[1] for sock in pair}) == 1
    assert len({sock.getsockname()[1] for sock in (*streams, *datagrams)}) == 1
    assert [sock.type for sock in pair] == [socket.SOCK_STREAM, socket.SOCK_DGRAM]


def test_both_leave_nothing_open_where_one_port_is_taken(opened: ExitStack) -> None:
    stream, datagram = open_both("127.0.0.1", 0, 5)
    opened.enter_context(datagram)
    stream.close()
    port = datagram.getsockname()[1]
    with pytest.raises(OpenError, match="udp 127"):
        open_both_groups("127.0.0.1", port, 5, count=2)
    opened.enter_context(open_tcp("127.0.0.1", port, 5))  # it was given back


@pytest.mark.parametrize("kind", ["stream", "dgram", "seqpacket"])
@pytest.mark.parametrize("abstract", [False, True], ids=["file", "abstract"])
def test_a_unix_socket_says_where_it_is(kind: str, abstract: bool, short: str, opened: ExitStack) -> None:  # noqa: FBT001 - a parameter of the test
    path = f"@{uuid.uuid4().hex}" if abstract else short
    sock = opened.enter_context(open_unix(getattr(socket, f"SOCK_{kind.upper()}"), path, 5))
    bound = Bound.of("echo", sock)
    assert (bound.name, bound.transport, bound.address, bound.port) == ("echo", f"unix-{kind}", path, 0)
    assert str(bound) == f"echo unix-{kind} {path}"
    with pytest.raises(OpenError, match="EADDRINUSE") as raised:
        open_unix(sock.type, path, 5)  # abstract names are apart by kind, files are not
    assert "ss -lxp" in str(raised.value)
    sock.close()
    remove_unix(bound)
    opened.enter_context(open_unix(sock.type, path, 5))


def test_remove_unix_is_nothing_for_others(opened: ExitStack) -> None:
    remove_unix(Bound.of("echo", opened.enter_context(open_tcp(None, 0, 5))))


def test_a_unix_folder_that_is_missing_is_said(short: str) -> None:
    with pytest.raises(OpenError, match="ENOENT"):
        open_unix(socket.SOCK_STREAM, f"missing/{short}", 5)


def test_a_send_buffer_bounds_a_unix_datagram(short: str, opened: ExitStack) -> None:
    sock = opened.enter_context(open_unix(socket.SOCK_DGRAM, short, 5, SocketOptions(send_buffer=20_000)))
    taker = opened.enter_context(open_unix(socket.SOCK_DGRAM, "taker", 5))
    sock.connect(taker.getsockname())
    sock.send(bytes(20_000))
    with pytest.raises(OSError, match="Message too long") as raised:
        sock.send(bytes(100_000))
    assert raised.value.errno == errno.EMSGSIZE


def test_a_unix_server_replaces_what_a_killed_one_left_and_removes_its_own(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    asked = ("--transport", "unix-stream", "--path", path)
    with served(*asked) as first:
        [bound] = first.events[0]["bound"]
        assert bound == {"name": "echo", "transport": "unix-stream", "address": path, "port": 0}
        second = run_server(*asked, "--no-health")
        assert second.returncode == 4
        assert f"unix-stream {path}" in second.stderr
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(DEADLINE)
    assert Path(path).is_socket()
    with served(*asked) as third:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert third.stop() == 0
    assert not Path(path).exists()


def accept_all(listener: socket.socket, opened: ExitStack) -> int:
    """Accept what waits; how many."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            opened.enter_context(listener.accept()[0])
            count += 1
    return count


def receive_all(sock: socket.socket) -> list[object]:
    """The sender of each datagram that waits."""
    senders: list[object] = []
    with suppress(BlockingIOError):
        while True:
            senders.append(sock.recvfrom(10)[1])
    return senders
