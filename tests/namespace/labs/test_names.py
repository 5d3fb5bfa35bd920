"""A lab with a name server: what a resolver makes of each kind of answer."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab

FILE = Path(__file__).parents[3] / "examples" / "labs" / "names.yaml"


@pytest.fixture(scope="module")
def named() -> Iterator[Lab]:
    with Lab.from_file(FILE, "namespace") as opened:
        yield opened


def addresses(lab: Lab, name: str, family: int = socket.AF_UNSPEC) -> list[str]:
    entries = lab.client.getaddrinfo(name, 80, family, socket.SOCK_STREAM)
    return [entry[4][0] for entry in entries]


@pytest.mark.parametrize("name", ["server", "server.lab.test", "www.lab.test", "alias.lab.test"])
def test_both_families(named: Lab, name: str) -> None:
    assert set(addresses(named, name)) == {named.server.address, named.server.address6}


def test_several_addresses_keep_their_order(named: Lab) -> None:
    expected = [f"10.213.7.{last}" for last in (50, 51, 52)]
    assert named.client.gethostbyname_ex("many.lab.test")[2] == expected


def test_one_family_only(named: Lab) -> None:
    assert addresses(named, "only4.lab.test") == [named.server.address]
    with pytest.raises(socket.gaierror) as raised:
        addresses(named, "only4.lab.test", socket.AF_INET6)
    assert raised.value.errno == socket.EAI_NODATA


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("empty.lab.test", socket.EAI_NODATA),
        ("gone.lab.test", socket.EAI_NONAME),
        ("nobody.lab.test", socket.EAI_NONAME),
        ("nobody", socket.EAI_NONAME),
        ("broken.lab.test", socket.EAI_AGAIN),
        ("closed.lab.test", socket.EAI_AGAIN),
        ("silent.lab.test", socket.EAI_AGAIN),
        ("www.example.com", socket.EAI_AGAIN),  # another's: refused
    ],
)
def test_no_answer(named: Lab, name: str, error: int) -> None:
    with pytest.raises(socket.gaierror) as raised:
        addresses(named, name)
    assert raised.value.errno == error


def test_back_from_an_address(named: Lab) -> None:
    assert named.client.gethostbyaddr(named.dns.address)[0] == "dns"  # /etc/hosts comes first
    with pytest.raises(socket.herror):
        named.client.gethostbyaddr("10.213.7.99")


def test_it_answers_again_after_its_host_was_booted(named: Lab) -> None:
    named.dns.restart()
    assert addresses(named, "only4.lab.test") == [named.server.address]


def test_only_its_host_may_bind_port_53(named: Lab) -> None:
    with named.dns.socket(type=socket.SOCK_DGRAM) as s:
        s.bind((named.dns.address, 54))
    with named.server.socket(type=socket.SOCK_DGRAM) as s, pytest.raises(PermissionError):
        s.bind((named.server.address, 53))
