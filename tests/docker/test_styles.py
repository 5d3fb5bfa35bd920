"""Every style of server in a container, called from another: across a network, and beyond its limits."""

import json
from collections.abc import Iterator

import pytest

from tests.docker.lab import HEALTH, Host, Lab

pytestmark = pytest.mark.docker

STYLES = ("iterative", "threaded", "pool", "forking", "prefork", "select", "epoll", "asyncio")
PORT = 7200
CROWD = 500

ECHOES = """
import socket, sys
for port in sys.argv[1:]:
    for family in (socket.AF_INET, socket.AF_INET6):
        [*_, address] = socket.getaddrinfo("styles", port, family, socket.SOCK_STREAM)[0]
        with socket.create_connection(address[:2], timeout=10) as conn:
            conn.sendall(b"x" * 100_000)
            conn.shutdown(socket.SHUT_WR)
            back = b"".join(iter(lambda: conn.recv(65536), b""))
            print(port, len(back))
"""
"""Of each port 100 kB back, by half-close, over IPv4 and IPv6."""

CROWDED = """
import json, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def outcome(conn):
    try:
        conn.sendall(b"x")
        return conn.recv(1).decode() or "FIN"
    except OSError as error:
        return type(error).__name__

def crowd():
    conns = []
    for _ in range(count):
        conns.append(socket.create_connection((host, port), timeout=20))
    seen = [outcome(conn) for conn in conns]
    served_again = outcome(conns[seen.index("x")])
    for conn in conns:
        conn.close()
    return {kind: seen.count(kind) for kind in sorted(set(seen))}, served_again

print(json.dumps([crowd(), crowd()]))
"""
"""Twice: connect so many times, send a byte on each, read one; then on one that was served again.

The second time the first ones may be refused: the processes of the first time have not all ended yet.
"""


@pytest.fixture(scope="module")
def lab(engine: None, labels: dict[str, str]) -> Iterator[Lab]:  # noqa: ARG001 - asked for, not used
    with Lab("styles", labels) as lab:
        yield lab


@pytest.fixture(scope="module")
def client(lab: Lab) -> Host:
    return lab.caller("client", 20)


def test_every_style_serves_another_host(lab: Lab, client: Host) -> None:
    servers = lab.host("styles", 10, "server", ["sleep", "infinity"])
    ports = {style: PORT + number for number, style in enumerate(STYLES)}
    for style, port in ports.items():
        command = (
            f"python3 -m services.server --style {style} --port {port} --health @{style} >/dev/null 2>&1 &"
        )
        assert servers.run("sh", "-c", command)[0] == 0
    wait = f"for style in {' '.join(STYLES)}; do until {' '.join(HEALTH)} @$style; do sleep 0.1; done; done"
    code, _, err = servers.run("timeout", "30", "sh", "-c", wait)
    assert code == 0, err
    code, out, err = client.run("python3", "-c", ECHOES, *map(str, ports.values()))
    assert code == 0, err
    assert out.splitlines() == [f"{port} 100000" for port in ports.values() for _ in range(2)]


@pytest.mark.parametrize("style", ["threaded", "forking"])
def test_more_clients_than_a_container_may_have_processes(lab: Lab, client: Host, style: str) -> None:
    """The container's limit is 256: those beyond it get a FIN, nobody a reset, and all is well afterwards."""
    command = ["python3", "-m", "services.server", "--style", style, "--max-connections", "10000"]
    server = lab.host(f"crowd-{style}", 11 + len(style) % 2, "server", command, wait=HEALTH)
    code, out, err = client.run("python3", "-c", CROWDED, server.name, "7000", str(CROWD))
    assert code == 0, err
    for seen, served_again in json.loads(out):
        assert set(seen) == {"x", "FIN"}, seen
        assert sum(seen.values()) == CROWD
        assert 200 < seen["x"] < 256, seen
        assert served_again == "x"
    assert server.run(*HEALTH)[0] == 0
