"""A host's own files in /etc."""

import pytest

from services.nursery.files import OWN, hosts, own_files, resolver, sources
from socketlab.wire.nursery import HostSetup, LabSetup, Port


def _host(name: str, *ports: Port) -> HostSetup:
    return HostSetup(name, "host", ports, (), ())


CLIENT = _host("client", Port("eth0", 0, "10.0.0.10/24", "fd00::10/64"))
MIDDLE = _host(
    "middle", Port("eth0", 0, "10.0.0.2/24", "fd00::2/64"), Port("eth1", 1, "10.0.1.2/24", "fd00:1::2/64")
)
SERVER = _host("server", Port("eth0", 1, "10.0.1.10/24", None))
LAB = LabSetup(("left", "right"), (CLIENT, MIDDLE, SERVER), None, offload=False)


def _known(text: str, name: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if name in line.split()[1:]]


def test_addresses_on_a_network_of_ones_own_come_first() -> None:
    assert _known(hosts(LAB, CLIENT), "middle") == ["10.0.0.2", "10.0.1.2", "fd00::2", "fd00:1::2"]
    assert _known(hosts(LAB, SERVER), "middle") == ["10.0.1.2", "10.0.0.2", "fd00:1::2", "fd00::2"]


def test_every_host_knows_itself_and_all_others() -> None:
    for host in LAB.hosts:
        text = hosts(LAB, host)
        assert _known(text, "client") == ["10.0.0.10", "fd00::10"]
        assert _known(text, "server") == ["10.0.1.10"]
        assert _known(text, "localhost") == ["127.0.0.1", "::1"]


def test_only_the_labs_own_name_server_is_asked() -> None:
    assert "nameserver" not in resolver(LAB)
    named = LabSetup(LAB.networks, LAB.hosts, "10.0.0.53", offload=False)
    assert resolver(named).splitlines() == ["nameserver 10.0.0.53", "options timeout:1 attempts:1"]


@pytest.mark.parametrize(
    "machines",
    [
        "",
        "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n",
        "passwd: files\n  hosts :\tnis\nhosts: mdns4\n",
        "passwd: files",
    ],
)
def test_names_come_from_files_and_dns_whatever_the_machine_asks(machines: str) -> None:
    found = sources(machines).splitlines()
    assert [line for line in found if "hosts" in line] == ["hosts: files dns"]
    assert ("passwd: files" in found) == ("passwd" in machines)


def test_each_file_of_its_own_is_made() -> None:
    made = own_files(LAB, SERVER, "")
    assert set(made) == set(OWN)
    assert made["hostname"] == "server\n"
