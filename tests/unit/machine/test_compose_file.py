"""The lab of compose.yaml, as a backend that is not Compose gets it."""

from pathlib import Path

from scripts.machine import ROOT, compose_file
from services.agent.grammar import standing_fault
from socketlab.wire.fault import Drop, Reject, Route

TEXT = Path(ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_the_hosts_have_the_addresses_that_the_file_says() -> None:
    lab = compose_file.read(TEXT, {})
    assert (lab.name, lab.subnet, lab.subnet6) == ("socketlab", "10.213.7.0/24", "fd00:213:7:0::/64")
    assert [(host.name, host.address, host.address6) for host in lab.hosts] == [
        ("server", "10.213.7.10", "fd00:213:7:0::10"),
        ("client", "10.213.7.20", "fd00:213:7:0::20"),
    ]


def test_its_variables_move_it_and_an_empty_one_does_not() -> None:
    lab = compose_file.read(TEXT, {"LAB_NET": "172.30.9", "LAB_NET6": ""})
    assert (lab.subnet, lab.subnet6) == ("172.30.9.0/24", "fd00:213:7:0::/64")
    client = lab.hosts[1]
    assert client.environ["SOCKETLAB_UNUSED"] == "172.30.9.99"
    assert client.environ["SOCKETLAB_SERVER"] == "server"
    assert client.standing[0] == "route throw 172.30.9.224/27"


def test_the_agents_understand_their_standing_faults() -> None:
    server, client = compose_file.read(TEXT, {}).hosts

    def kinds(host: compose_file.DescribedHost) -> list[type]:
        return [type(standing_fault(words, lambda _name: ())) for words in host.standing]

    assert kinds(server) == [Drop, Reject, Reject, Reject]
    assert kinds(client) == [Route, Route]
