"""Functions of the module: what the actor says is what Python says here, on the same machine."""

import errno
import os
import socket
import sys
from typing import Any

import pytest

from socketlab.wire.call import Raised, Refused, Value
from tests.loopback.actor.driving import Driven, driven

SAME = [
    ("CMSG_LEN", (4,)),
    ("CMSG_SPACE", (4,)),
    ("getaddrinfo", ("127.0.0.1", 80, 0, 0, 0, 0)),
    ("getaddrinfo", ("::1", "http", socket.AF_INET6, socket.SOCK_STREAM)),
    ("getaddrinfo", ("localhost", None, socket.AF_INET)),
    ("getaddrinfo", ("no-number", 1, 0, 0, 0, socket.AI_NUMERICHOST)),
    ("getdefaulttimeout", ()),
    ("getfqdn", ("127.0.0.1",)),
    ("gethostbyaddr", ("127.0.0.1",)),
    ("gethostbyname", ("127.0.0.1",)),
    ("gethostbyname", ("x" * 70,)),
    ("gethostbyname", (7,)),
    ("gethostbyname_ex", ("127.0.0.1",)),
    ("gethostname", ()),
    ("getnameinfo", (("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)),
    ("getnameinfo", (("127.0.0.1", -1), 0)),
    ("getprotobyname", ("tcp",)),
    ("getprotobyname", ("no such",)),
    ("getservbyname", ("http", "tcp")),
    ("getservbyname", ("no such",)),
    ("getservbyport", (53, "udp")),
    ("getservbyport", (-1,)),
    ("has_dualstack_ipv6", ()),
    ("htonl", (2**31,)),
    ("htons", (80,)),
    ("htons", (70000,)),
    ("if_indextoname", (1,)),
    ("if_indextoname", (99999,)),
    ("if_nameindex", ()),
    ("if_nametoindex", ("lo",)),
    ("if_nametoindex", ("no such",)),
    ("inet_aton", ("127.1",)),
    ("inet_aton", ("x",)),
    ("inet_ntoa", (b"\x7f\0\0\1",)),
    ("inet_ntoa", (b"123",)),
    ("inet_ntop", (socket.AF_INET6, bytes(15) + b"\1")),
    ("inet_pton", (socket.AF_INET, "127.0.0.1")),
    ("inet_pton", (socket.AF_INET, "127.1")),
    ("inet_pton", (socket.AF_INET, "\udc80")),
    ("ntohl", (1,)),
    ("ntohs", (1,)),
    ("ntohs", ("1",)),
    ("socket", (99, 1, 0)),
    ("socket", ("x", 1, 0)),
    ("socketpair", (socket.AF_INET6, 99, 0)),
]


@pytest.mark.parametrize(("name", "args"), SAME, ids=[f"{name}-{at}" for at, (name, _) in enumerate(SAME)])
def test_a_function_gives_what_it_gives_here(shared: Driven, name: str, args: tuple[Any, ...]) -> None:
    seen = shared.ask(name, *args)
    here = outcome(name, args)
    if isinstance(here, Exception):
        assert isinstance(seen, Raised)
        assert seen.exception == type(here).__name__
        assert seen.args == tuple(here.args)
    else:
        assert isinstance(seen, Value)
        assert seen.value == here
        assert type(seen.value) is type(here)


def outcome(name: str, args: tuple[Any, ...]) -> Any:
    """What the function returns here, or the exception."""
    try:
        return getattr(socket, name)(*args)
    except Exception as error:  # noqa: BLE001 - whatever it is, the actor must say the same
        return error


@pytest.mark.parametrize("way", ["streams", "forked"])
def test_an_actor_says_hello_and_who_it_is(way: str) -> None:
    with driven(way) as actor:
        assert actor.hello.version == 1
        assert actor.hello.python == ".".join(map(str, sys.version_info[:3]))
        about = actor.call("about")
        assert about["pid"] == actor.pid
        assert (about["uid"], about["gid"]) == (os.getuid(), os.getgid())
        assert about["hostname"] == socket.gethostname()
        assert about["capabilities"]["effective"] & ~about["capabilities"]["bounding"] == 0
        assert about["no_new_privs"] in {True, False}
        assert (about["sockets"], about["calls"], about["abandoned"]) == (0, 0, 0)
        assert about["limits"]["sockets"] == 1024
        assert actor.call("clock") <= actor.call("clock")
        assert actor.end() == 0


def test_the_default_timeout_reaches_new_sockets_only(actor: Driven) -> None:
    before = actor.call("socket", 2, 1, 0)
    actor.call("setdefaulttimeout", 2.5)
    assert actor.call("getdefaulttimeout") == 2.5
    assert actor.call("gettimeout", on=actor.call("socket", 2, 1, 0)) == 2.5
    assert actor.call("gettimeout", on=before) is None


def test_no_socket_of_the_actor_can_be_taken(shared: Driven) -> None:
    answers = [shared.ask("socket", -1, -1, -1, number) for number in range(64)]
    refused = {answer.code for answer in answers if isinstance(answer, Refused)}
    raised = {answer.args[0] for answer in answers if isinstance(answer, Raised)}
    assert len(answers) == sum(isinstance(answer, Refused | Raised) for answer in answers)
    assert refused <= {"actor.descriptor"}
    assert raised == {errno.EBADF, errno.ENOTSOCK}
    assert shared.call("clock") > 0  # it still hears us


def test_what_is_no_call_is_refused(shared: Driven) -> None:
    one, other = shared.call("socketpair", socket.AF_UNIX, 1, 0)
    assert shared.refused("no_such") == "actor.call"
    assert shared.refused("__class__", on=one) == "actor.call"
    assert shared.refused("_real", on=one) == "actor.call"
    assert shared.refused("recv", 1) == "actor.call"
    shared.call("forget", [one.number, other.number, 10**9])
    assert shared.refused("fileno", on=one) == "actor.handle"
    assert shared.refused("select", [one.number], [], [], 0) == "actor.handle"


def test_the_kernels_table_shows_our_sockets(actor: Driven) -> None:
    listener = actor.call("socket", 2, 1, 0)
    actor.call("bind", ("127.0.0.1", 0), on=listener)
    actor.call("listen", 7, on=listener)
    address = actor.call("getsockname", on=listener)
    udp = actor.call("socket", socket.AF_INET6, socket.SOCK_DGRAM, 0)
    actor.call("bind", ("::1", 0), on=udp)
    unix = actor.call("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0)
    actor.call("bind", "\0socketlab-test-" + str(actor.pid), on=unix)
    actor.call("listen", 1, on=unix)
    with socket.create_connection(address, timeout=10) as conn:
        conn.sendall(b"four")
        accepted, peer = actor.call("accept", on=listener)
        table = [each for each in actor.call("sockets") if each["pid"] == actor.pid]
    found = {(each["proto"], each["state"], each["local"]): each for each in table}
    seen = found["tcp", "LISTEN", address]
    assert (seen["family"], seen["send_q"], seen["recv_q"]) == (socket.AF_INET, 7, 0)
    assert seen["program"].startswith("python")
    assert found["tcp", "ESTAB", address]["peer"] == peer == conn_name(peer)
    assert found["tcp", "ESTAB", address]["recv_q"] == 4
    assert found["udp", "UNCONN", actor.call("getsockname", on=udp)[:2]]["family"] == socket.AF_INET6
    assert found["unix", "LISTEN", (f"@socketlab-test-{actor.pid}", 0)]["type"] == socket.SOCK_STREAM
    assert actor.call("fileno", on=accepted) > 2


def conn_name(peer: tuple[str, int]) -> tuple[str, int]:
    """An IPv4 address of the wire is a tuple of text and number."""
    host, port = peer
    return str(host), int(port)
