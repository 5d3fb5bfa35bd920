"""A bad argument raises here what the real call raises, and nothing is sent."""

import array
import math
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from socketlab.sockets import Actor, Socket
from socketlab.wire.call import CALL_VERSION, Hello, write
from socketlab.wire.values import Handle

Use: TypeAlias = Callable[[Any], object]


class OnlyHello:
    """A stream to an actor to which nothing may be sent."""

    def __init__(self) -> None:
        self._left = write(Hello(CALL_VERSION, 1, 0, "3.11"))

    def send(self, data: bytes) -> None:
        raise AssertionError(data)

    def receive(self, timeout: float | None) -> bytes:
        del timeout
        said, self._left = self._left, b""
        return said

    def close(self) -> None:
        pass


@pytest.fixture
def actor() -> Iterator[Actor]:
    made = Actor(OnlyHello(), "client")
    yield made
    made.close()


def over_there(actor: Actor, family: int, kind: int) -> Socket:
    return Socket(actor, Handle(7, "socket", family, kind, 0))


BAD: dict[str, Use] = {
    "recv-negative": lambda s: s.recv(-1),
    "recv-text": lambda s: s.recv("4"),
    "recv-huge": lambda s: s.recv(2**64),
    "recv-flags": lambda s: s.recv(1, "x"),
    "recv-flags-huge": lambda s: s.recv(1, 2**40),
    "recv-none": lambda s: s.recv(),
    "recv-keyword": lambda s: s.recv(bufsize=1),
    "recvfrom-negative": lambda s: s.recvfrom(-1),
    "recv_into-bytes": lambda s: s.recv_into(b"abc"),
    "recv_into-text": lambda s: s.recv_into("abc"),
    "recv_into-more": lambda s: s.recv_into(bytearray(3), 4),
    "recv_into-negative": lambda s: s.recv_into(bytearray(3), -1),
    "recvfrom_into-more": lambda s: s.recvfrom_into(bytearray(3), 4),
    "recvfrom_into-negative": lambda s: s.recvfrom_into(bytearray(3), -1),
    "recvfrom_into-readonly": lambda s: s.recvfrom_into(memoryview(b"abc")),
    "recvmsg-negative": lambda s: s.recvmsg(-1),
    "recvmsg-ancillary": lambda s: s.recvmsg(1, -1),
    "recvmsg_into-no-list": lambda s: s.recvmsg_into(7),
    "recvmsg_into-readonly": lambda s: s.recvmsg_into([b"abc"]),
    "send-text": lambda s: s.send("text"),
    "send-number": lambda s: s.send(7),
    "send-scattered": lambda s: s.send(memoryview(b"abcdef")[::2]),
    "sendall-text": lambda s: s.sendall("text"),
    "sendall-none": lambda s: s.sendall(None),
    "sendto-no-address": lambda s: s.sendto(b"x"),
    "sendto-many": lambda s: s.sendto(b"x", 0, ("127.0.0.1", 1), 4),
    "sendto-none": lambda s: s.sendto(b"x", None),
    "sendto-flags": lambda s: s.sendto(b"x", "flags", ("127.0.0.1", 1)),
    "sendmsg-no-list": lambda s: s.sendmsg(7),
    "sendmsg-text": lambda s: s.sendmsg(["text"]),
    "sendmsg-ancillary": lambda s: s.sendmsg([b"x"], [(1, 2)]),
    "sendmsg-ancillary-text": lambda s: s.sendmsg([b"x"], [(1, "x", b"")]),
    "connect-text": lambda s: s.connect("127.0.0.1:7000"),
    "connect-list": lambda s: s.connect(["127.0.0.1", 7000]),
    "connect-one": lambda s: s.connect(("127.0.0.1",)),
    "connect-many": lambda s: s.connect(("127.0.0.1", 1, 2, 3, 4)),
    "connect-port-text": lambda s: s.connect(("127.0.0.1", "http")),
    "connect-port-big": lambda s: s.connect(("127.0.0.1", 65536)),
    "connect-port-negative": lambda s: s.connect(("127.0.0.1", -1)),
    "connect-host-number": lambda s: s.connect((7, 7)),
    "connect-host-nul": lambda s: s.connect(("a\0b", 7)),
    "connect_ex-port": lambda s: s.connect_ex(("127.0.0.1", 65536)),
    "bind-none": lambda s: s.bind(None),
    "listen-text": lambda s: s.listen("5"),
    "listen-huge": lambda s: s.listen(2**40),
    "shutdown-text": lambda s: s.shutdown("both"),
    "setsockopt-three": lambda s: s.setsockopt(1, 2),
    "setsockopt-huge": lambda s: s.setsockopt(1, 2, 2**40),
    "setsockopt-text": lambda s: s.setsockopt(1, 2, "x"),
    "setsockopt-none": lambda s: s.setsockopt(1, 2, None),
    "getsockopt-text": lambda s: s.getsockopt("a", 2),
    "settimeout-negative": lambda s: s.settimeout(-1),
    "settimeout-nan": lambda s: s.settimeout(math.nan),
    "settimeout-infinite": lambda s: s.settimeout(math.inf),
    "settimeout-text": lambda s: s.settimeout("1"),
    "settimeout-huge": lambda s: s.settimeout(1e300),
    "makefile-mode": lambda s: s.makefile("a"),
}
BAD6: dict[str, Use] = {
    "flow": lambda s: s.connect(("::1", 7, 2**20)),
    "scope": lambda s: s.connect(("::1", 7, 0, "lo")),
    "many": lambda s: s.connect(("::1", 7, 0, 0, 0)),
    "text": lambda s: s.connect("::1"),
}
BAD_UNIX: dict[str, Use] = {
    "long": lambda s: s.connect("a" * 109),
    "long-abstract": lambda s: s.connect("\0" + "a" * 108),
    "full": lambda s: s.connect("a" * 108),
    "path": lambda s: s.connect(Path("/run/x")),
    "tuple": lambda s: s.connect(("a", 1)),
}
CASES = [
    pytest.param(family, use, id=f"{family.name}-{name}")
    for family, uses in (
        (socket.AF_INET, BAD),
        (socket.AF_INET6, BAD6),
        (socket.AF_UNIX, BAD_UNIX),
    )
    for name, use in uses.items()
]


@pytest.mark.parametrize(("family", "use"), CASES)
def test_what_the_real_call_raises_is_raised_here(actor: Actor, family: int, use: Use) -> None:
    with socket.socket(family) as real:
        real.settimeout(5)
        with pytest.raises(Exception) as truth:  # noqa: PT011 - which one is what is being asked
            use(real)
    sock = over_there(actor, family, socket.SOCK_STREAM)
    with pytest.raises(truth.type) as raised:
        use(sock)
    assert raised.type is truth.type
    actor.close()  # before the socket goes, which was never made


MODULE: dict[str, Use] = {
    "inet_aton": lambda m: m.inet_aton(7),
    "inet_ntoa": lambda m: m.inet_ntoa("text"),
    "inet_pton": lambda m: m.inet_pton("x", "::1"),
    "htons-big": lambda m: m.htons(65536),
    "htons-negative": lambda m: m.htons(-1),
    "htonl-big": lambda m: m.htonl(2**32),
    "ntohl-text": lambda m: m.ntohl("1"),
    "getaddrinfo-host": lambda m: m.getaddrinfo(7, 80),
    "getaddrinfo-port": lambda m: m.getaddrinfo("localhost", 1.5),
    "gethostbyname": lambda m: m.gethostbyname(7),
    "getnameinfo": lambda m: m.getnameinfo("x", 0),
    "getservbyport": lambda m: m.getservbyport(65536),
    "getservbyname": lambda m: m.getservbyname(7),
    "setdefaulttimeout": lambda m: m.setdefaulttimeout(-1),
    "socket": lambda m: m.socket("x"),
    "if_indextoname": lambda m: m.if_indextoname(-1),
    "CMSG_LEN": lambda m: m.CMSG_LEN(-1),
}


@pytest.mark.parametrize("use", MODULE.values(), ids=MODULE.keys())
def test_what_the_module_raises_is_raised_here(actor: Actor, use: Use) -> None:
    with pytest.raises(Exception) as truth:  # noqa: PT011 - which one is what is being asked
        use(socket)
    with pytest.raises(truth.type):
        use(actor)


def test_buffers_of_any_kind_are_taken() -> None:
    from socketlab.sockets.arguments import readable  # noqa: PLC0415 - the one test of a part of it

    assert readable(array.array("i", [1])) == array.array("i", [1]).tobytes()
    assert readable(bytearray(b"ab")) == readable(memoryview(b"ab")) == b"ab"
    assert readable(memoryview(b"")) == b""
