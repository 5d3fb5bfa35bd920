"""Calls without a network between: Unix sockets, functions of the module, names, defaults, events."""

import errno
import socket

import pytest

from socketlab.hosts.lab import Lab
from socketlab.sockets.host_event import HostEvent
from tests.conformance.places import Family, Talk


def test_unix_sockets(demo: Lab) -> None:
    client = demo.client
    one, other = client.socketpair()
    with one, other:
        assert (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
        one.send(b"x")
        assert other.recv(1) == b"x"
        other.close()
        with pytest.raises(BrokenPipeError):
            one.send(b"x")
    where = b"\0conformance"
    with client.socket(socket.AF_UNIX) as listener, client.socket(socket.AF_UNIX) as near:
        listener.bind(where)
        listener.listen()
        assert listener.getsockname() == where
        near.connect(where)
        far, _ = listener.accept()
        with far, client.socket(socket.AF_UNIX) as second:
            near.send(b"hi")
            assert far.recv(2) == b"hi"
            with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
                second.bind(where)
            assert caught.value.errno == errno.EADDRINUSE
    with client.socket(socket.AF_UNIX) as nobody, pytest.raises(FileNotFoundError):
        nobody.connect("/tmp/no-such-socket")  # noqa: S108 - on the host
    with demo.server.socket(socket.AF_UNIX) as elsewhere, pytest.raises(ConnectionRefusedError):
        elsewhere.connect(where)  # abstract names are a network namespace's own


def test_unix_sockets_at_a_path(demo: Lab) -> None:
    path = "/tmp/conformance.sock"  # noqa: S108 - on the host
    with demo.client.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        with demo.client.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as near:
            near.connect(path)
            far, _ = listener.accept()
            with far:
                near.send(b"one")
                near.send(b"two")
                assert (far.recv(100), far.recv(100)) == (b"one", b"two")
    assert demo.client.run(["rm", path]).exit_code == 0


def test_what_an_actor_may_not(demo: Lab) -> None:
    for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
        with pytest.raises(PermissionError) as caught:
            demo.client.socket(family, kind, socket.IPPROTO_ICMP)
        assert caught.value.errno == errno.EPERM
    with pytest.raises(OSError) as refused:  # noqa: PT011 - its errno is looked at
        demo.client.socket(999)
    assert refused.value.errno == errno.EAFNOSUPPORT


def test_addresses_of_the_wrong_kind(talk: Talk) -> None:
    with pytest.raises(TypeError):
        talk.tcp().connect("server:7000")
    with pytest.raises(OverflowError):
        talk.tcp().connect((talk.family.of(talk.server), 70000))
    other = "::1" if talk.family.number == socket.AF_INET else "127.0.0.1"
    with pytest.raises(socket.gaierror):
        talk.tcp().connect((other, 80))


def test_functions_of_the_module(demo: Lab, family: Family) -> None:
    client = demo.client
    assert client.gethostname() == "client"
    assert client.inet_pton(family.number, family.loopback) == socket.inet_pton(
        family.number, family.loopback
    )
    assert (
        client.inet_ntop(
            family.number, bytes(15) + b"\1" if family.number == socket.AF_INET6 else b"\x7f\0\0\1"
        )
        == family.loopback
    )
    assert client.inet_aton("10.1.2.3") == b"\n\1\2\3"
    assert client.inet_ntoa(b"\n\1\2\3") == "10.1.2.3"
    assert (client.htons(1), client.ntohs(256), client.htonl(1), client.ntohl(1)) == (
        socket.htons(1),
        socket.ntohs(256),
        socket.htonl(1),
        socket.ntohl(1),
    )
    assert client.getprotobyname("tcp") == socket.IPPROTO_TCP
    assert client.getservbyname("http", "tcp") == 80
    assert client.getservbyport(80, "tcp") == "http"
    names = {name: number for number, name in client.if_nameindex()}
    assert {"lo", "eth0"} <= set(names)
    assert client.if_nametoindex("lo") == names["lo"]
    assert client.if_indextoname(names["eth0"]) == "eth0"
    assert client.CMSG_LEN(4) == socket.CMSG_LEN(4)
    assert client.CMSG_SPACE(4) == socket.CMSG_SPACE(4)
    assert client.has_dualstack_ipv6() is True
    for bad in ("256.1.1.1", "no address"):
        with pytest.raises(OSError, match="illegal IP address"):
            client.inet_pton(family.number, bad)
    with pytest.raises(OSError, match="not found"):
        client.getservbyname("no-such-service")
    with pytest.raises(OSError):  # noqa: PT011 - ENODEV or ENXIO, by Python's version
        client.if_nametoindex("no-such-device")


def test_names_of_the_hosts(demo: Lab, family: Family) -> None:
    client, server = demo.client, demo.server
    found = client.getaddrinfo("server", 7000, family.number, socket.SOCK_STREAM)
    assert found == [
        (family.number, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", family.name((family.of(server), 7000)))
    ]
    assert isinstance(found[0][0], socket.AddressFamily)
    assert isinstance(found[0][1], socket.SocketKind)
    assert client.gethostbyname("server") == server.address
    assert client.gethostbyname_ex("server")[2] == [server.address]
    assert client.getnameinfo((family.of(server), 80), socket.NI_NUMERICHOST) == (family.of(server), "http")
    assert client.getaddrinfo(family.loopback, "http", type=socket.SOCK_STREAM)[0][4][1] == 80
    near = client.socket(family.number)
    with near, pytest.raises(ConnectionRefusedError):
        near.connect(("server", 1))


def test_names_that_are_none(demo: Lab) -> None:
    one = demo.client.getaddrinfo
    for arguments, expected in (
        (("localhost", 80, 0, 0, 0, socket.AI_NUMERICHOST), socket.EAI_NONAME),
        (("127.0.0.1", "no-such-service"), socket.EAI_SERVICE),
        (("::1", 80, socket.AF_INET), socket.EAI_ADDRFAMILY),
    ):
        with pytest.raises(socket.gaierror) as caught:
            one(*arguments)
        assert caught.value.errno == expected
    with pytest.raises(socket.gaierror) as caught:
        demo.client.gethostbyname("no.such.name.test")
    assert caught.value.errno in {socket.EAI_AGAIN, socket.EAI_NONAME}


def test_the_default_timeout(demo: Lab) -> None:
    client = demo.client
    client.setdefaulttimeout(7.5)
    assert client.getdefaulttimeout() == 7.5
    with client.create_server((client.address, 0)) as listener, client.socket() as near:
        assert listener.gettimeout() == near.gettimeout() == 7.5
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        with far:
            assert far.gettimeout() == 7.5
    client.setdefaulttimeout(None)
    with client.socket() as sock:
        assert sock.gettimeout() is None


def test_every_call_is_an_event(talk: Talk) -> None:
    before = len(talk.lab.events)
    heard = list[HostEvent]()
    quiet = talk.lab.subscribe(heard.append)
    try:
        with pytest.raises(ConnectionRefusedError):
            talk.tcp().connect(talk.unused())
    finally:
        quiet()
    assert list(talk.lab.events)[before:] == heard or len(talk.lab.events) == talk.lab.events.maxlen
    names = [(each.host, each.event.name, each.event.phase) for each in heard]
    assert names == [
        ("client", "call.socket", "started"),
        ("client", "call.socket", "completed"),
        ("client", "call.connect", "started"),
        ("client", "call.connect", "failed"),
    ]
    outcome = heard[-1].event.outcome
    assert outcome is not None
    assert outcome.started_ns <= outcome.ended_ns
    assert "ECONNREFUSED" in repr(outcome) or "ConnectionRefused" in repr(outcome)
