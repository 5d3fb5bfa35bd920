"""What a resolver on a host makes of the answers of the lab's name server."""

import socket
from collections.abc import Callable

import pytest

from socketlab.errors import SpecError
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import HostSpec
from tests.conformance.places import DEADLINE, Family


def _resolve(host: Host, name: str, family: int = 0) -> list[str]:
    return [each[4][0] for each in host.getaddrinfo(name, 80, family, socket.SOCK_STREAM)]


def test_names_that_dns_knows(named: Lab) -> None:
    client, server = named.client, named.server
    assert set(_resolve(client, "www.lab.test")) == {server.address, server.address6}
    assert _resolve(client, "www.lab.test", socket.AF_INET) == [server.address]
    assert _resolve(client, "www.lab.test", socket.AF_INET6) == [server.address6]
    assert _resolve(client, "alias.lab.test", socket.AF_INET) == [server.address]
    assert sorted(_resolve(client, "three.lab.test")) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert _resolve(client, "server.lab.test", socket.AF_INET) == [server.address]
    name, aliases, addresses = client.gethostbyname_ex("alias.lab.test")
    assert (name, aliases, addresses) == ("www.lab.test", ["alias.lab.test"], [server.address])


def test_the_canonical_name(named: Lab) -> None:
    found = named.client.getaddrinfo(
        "alias.lab.test", 80, socket.AF_INET, socket.SOCK_STREAM, flags=socket.AI_CANONNAME
    )
    assert found[0][3] == "www.lab.test"


def test_addresses_that_dns_knows(named: Lab, family: Family) -> None:
    """An address back to its name, by DNS: the host's own file knows the short one."""
    packet = _question(_reverse(family.of(named.server)), 12)
    with named.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        sock.connect((named.dns.address, 53))
        sock.send(packet)
        answer = sock.recv(512)
    assert answer[:2] == packet[:2]
    assert answer[3] & 0xF == 0
    assert b"\x06server\x03lab\x04test\x00" in answer


def _reverse(address: str) -> str:
    import ipaddress  # noqa: PLC0415

    return ipaddress.ip_address(address).reverse_pointer


def _question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x12\x34\x01\x00\x00\x01" + bytes(6) + labels + b"\x00" + kind.to_bytes(2, "big") + b"\x00\x01"


@pytest.mark.parametrize(
    ("name", "family", "expected"),
    [
        ("gone.lab.test", 0, {socket.EAI_NONAME}),
        ("nodata.lab.test", 0, {socket.EAI_NODATA}),
        ("v4only.lab.test", socket.AF_INET6, {socket.EAI_NODATA}),
        ("servfail.lab.test", 0, {socket.EAI_AGAIN}),
        ("refused.lab.test", 0, {socket.EAI_AGAIN}),
        ("silence.lab.test", 0, {socket.EAI_AGAIN}),
    ],
)
def test_what_a_resolver_makes_of_it(named: Lab, name: str, family: int, expected: set[int]) -> None:
    with pytest.raises(socket.gaierror) as caught:
        named.client.getaddrinfo(name, 80, family)
    assert caught.value.errno in expected


def test_no_name_reaches_another_resolver(demo: Lab) -> None:
    """Where a lab has no name server, a name that is no host's ends here, at once or after its one second."""
    with pytest.raises(socket.gaierror) as caught:
        demo.client.getaddrinfo("example.com", 80)
    assert caught.value.errno in {socket.EAI_AGAIN, socket.EAI_NONAME}


def test_one_name_server_at_most(own: Callable[..., Lab]) -> None:
    with pytest.raises(SpecError, match="two"):
        own(hosts=[HostSpec(name="one", role="names"), HostSpec(name="two", role="names")])


def test_a_name_server_that_goes(named: Lab) -> None:
    client = named.client
    assert client.gethostbyname("www.lab.test") == named.server.address
    with named.dns.paused(), pytest.raises(socket.gaierror) as caught:
        client.gethostbyname("www.lab.test")
    assert caught.value.errno == socket.EAI_AGAIN
    assert client.gethostbyname("www.lab.test") == named.server.address


def test_a_name_server_that_was_away(named: Lab) -> None:
    """It answers again once its host is back: it is part of the lab, not of what its user started."""
    named.dns.restart()
    assert named.client.gethostbyname("www.lab.test") == named.server.address
