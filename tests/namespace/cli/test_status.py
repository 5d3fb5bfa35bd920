"""What `status` knows of hosts, and the lab of another process as a `Lab`."""

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from socketlab.errors import EndedError, HostError, SpecError
from socketlab.holder import attach
from socketlab.hosts.lab import Lab
from socketlab.wire import Add, Applied, Drop, Match, decode, encode
from tests.namespace.cli.command import SECONDS, Command


@pytest.fixture
def attached(held: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(held.folder))
    with attach("demo") as lab:
        yield lab


def hosts(held: Command) -> dict[str, dict[str, Any]]:
    return {host["name"]: host for host in held.json("status")["labs"][0]["hosts"]}


def test_sockets_of_another_processes_lab(attached: Lab, held: Command) -> None:
    listener = attached.server.socket()
    listener.bind((attached.server.address, 7000))
    listener.listen(1)
    with attached.client.socket() as s:
        s.settimeout(SECONDS)
        s.connect((attached.server.address, 7000))
        connection, peer = listener.accept()
        s.sendall(b"hello")
        assert connection.recv(5) == b"hello"
        assert peer == s.getsockname()
        shown = held.well("status")
    assert re.search(rf"^server +tcp +LISTEN +{attached.server.address}:7000", shown, re.MULTILINE)
    seen = hosts(held)["server"]["sockets"]
    states = {(each["proto"], each["state"]) for each in seen}
    assert ("tcp", "LISTEN") in states
    with pytest.raises(ConnectionRefusedError), attached.client.socket() as s:
        s.connect((attached.server.address, 7001))
    connection.close()
    listener.close()


def test_actions_on_another_processes_lab(attached: Lab, held: Command) -> None:
    with attached.server.paused():
        shown = hosts(held)["server"]
        assert (shown["state"], shown["answer_ms"], shown["sockets"]) == ("paused", None, None)
    with attached.server.stopped():
        assert hosts(held)["server"]["state"] == "stopped"
        with pytest.raises(HostError, match="stopped"):
            attached.server.gethostname()
        done = held.run("exec", "server", "true")
        assert done.returncode == 3
        assert b"server" in done.stderr
    assert attached.server.gethostname() == "server"
    with attached.server.disconnected(), attached.client.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(0.1)
        with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
            s.connect((attached.server.address, 7000))


def test_leaving_leaves_the_lab(attached: Lab, held: Command) -> None:
    attached.close()
    assert hosts(held)["client"]["state"] == "running"
    with pytest.raises(EndedError):
        attached.client.socket()


def test_faults_in_force(attached: Lab, held: Command) -> None:
    assert hosts(held)["client"]["faults"] == []
    machines = attached._machines  # noqa: SLF001 - faults have no handle on a host yet
    assert machines is not None
    stream = machines.agent("client")
    stream.send(encode(Add(id=1, fault=Drop(Match(port=7000, proto="tcp")), seconds=60.0)))
    answer = decode(stream.receive(SECONDS).splitlines()[0])
    assert isinstance(answer, Applied)
    try:
        (fault,) = hosts(held)["client"]["faults"]
        assert fault["fault"] == "drop --port 7000 --proto tcp"
        assert fault["seconds_left"] < 60
        assert "drop --port 7000 --proto tcp" in held.well("status")
    finally:
        stream.send(b'{"v":1,"type":"heal","id":2,"lease":null}\n')
        assert stream.receive(SECONDS)
        stream.close()


def test_no_such_lab_or_host(attached: Lab, held: Command) -> None:
    with pytest.raises(EndedError, match="These do: demo"):
        attach("other")
    with pytest.raises(AttributeError):
        _ = attached.nobody
    machines = attached._machines  # noqa: SLF001 - the holder's own answer is wanted
    assert machines is not None
    with pytest.raises(HostError, match="no host 'nobody'"):
        machines.actor("nobody")
    held.well("up", "second")
    try:
        with pytest.raises(SpecError, match="demo, second"):
            attach()
        assert [lab["name"] for lab in held.json("status")["labs"]] == ["demo", "second"]
        assert [lab["name"] for lab in held.json("status", "second")["labs"]] == ["second"]
    finally:
        held.well("down", "second")


def test_a_hung_client_holds_up_nobody(attached: Lab, held: Command) -> None:
    """A program that says much, and whose stream nobody reads."""
    stopped = attached.client.start(["yes"])
    try:
        assert hosts(held)["client"]["state"] == "running"
        assert held.well("exec", "client", "echo", "here") == "here\n"
    finally:
        stopped.kill()
        stopped.wait(SECONDS)
        for stream in (stopped.stdout, stopped.stderr):
            if stream is not None:
                stream.close()
