"""The labs among the examples do what they say."""

from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab

LABS = Path(__file__).parents[3] / "examples" / "labs"


def test_two_hosts() -> None:
    two_hosts = Lab.from_file(LABS / "two_hosts.yaml", "namespace")
    with two_hosts as demo, demo.client.create_connection((demo.server.address, 7000), 5) as s:
        s.sendall(b"hello")
        assert s.recv(5) == b"hello"


def test_router() -> None:
    with Lab.from_file(LABS / "router.yaml", "namespace") as demo:
        assert demo.server.address == "10.213.21.80"
        for address in demo.server.addresses["cellar"]:
            with demo.client.create_connection((address, 7001), 5) as s:
                s.sendall(b"hello\n")
                assert s.recv(6) == b"hello\n"
        demo.gateway.stop()
        with demo.client.socket() as s:
            s.settimeout(0.2)
            with pytest.raises(TimeoutError):
                s.connect((demo.server.address, 7001))
