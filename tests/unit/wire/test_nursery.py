"""Requests to the nursery and its answers, as lines."""

import json

import pytest

from socketlab.wire.errors import WireError
from socketlab.wire.nursery import (
    LONGEST,
    Answer,
    Ask,
    Done,
    Failed,
    Hello,
    HostSetup,
    LabSetup,
    Port,
    read_answer,
    read_ask,
    write,
)

HOST = HostSetup(
    "client",
    "host",
    (Port("eth0", 0, "10.0.0.10/24", "fd00::10/64"), Port("eth1", 1, "10.0.1.10/24", None)),
    (("10.0.2.0/24", "10.0.1.2"),),
    (("net.ipv4.tcp_syn_retries", "2"),),
)


@pytest.mark.parametrize(
    "ask",
    [
        Ask(1, "open", 7, setup=LabSetup(("a", "b"), (HOST,), "10.0.0.53", offload=True)),
        Ask(2, "close", 7),
        Ask(3, "act", 7, "client", "pause"),
        Ask(4, "plug", 7, "client", "lab", on=True),
    ],
)
def test_a_request_comes_back_as_it_was(ask: Ask) -> None:
    line = write(ask)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_ask(line) == ask


@pytest.mark.parametrize(
    "answer",
    [
        Hello(1, 4711, "mapped", {"PATH": "/bin"}, ("read-only",)),
        Done(1),
        Done(2, descriptors=1),
        Done(3, states={"client": "running"}),
        Failed(4, "namespace.state", {"host": "client"}),
    ],
)
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    assert read_answer(write(answer)) == answer


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"id":"1","do":"open","lab":1}',
        b'{"id":1,"do":"open","lab":1,"setup":[]}',
        b'{"id":1,"do":"open","lab":1,"setup":{"networks":[1],"hosts":[],"nameserver":null,"offload":false}}',
        b'{"id":1,"do":"act","lab":1,"host":5}',
        b'{"done":1}',
        b'{"done":1,"descriptors":0,"states":[]}',
        b'{"failed":1,"code":"x","details":{"a":1}}',
        b"[" * 100_000,
        b" " * (LONGEST + 1),
    ],
)
def test_what_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        read_ask(line)
    with pytest.raises(WireError):
        read_answer(line)


@pytest.mark.parametrize("ports", [[["eth0"]], [["eth0", "0", "10.0.0.1/24", None]], "eth0"])
def test_a_host_that_is_none_is_refused(ports: object) -> None:
    host = {"name": "a", "role": "host", "ports": ports, "ways": [], "sysctls": []}
    setup = {"networks": ["lab"], "hosts": [host], "nameserver": None, "offload": False}
    with pytest.raises(WireError):
        read_ask(json.dumps({"id": 1, "do": "open", "lab": 1, "setup": setup}).encode())
