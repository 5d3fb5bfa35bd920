"""The name server's control socket: answers change for as long as whoever asked stays, by UDP and TCP."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from services.names import control
from services.names.answers import Answers
from services.names.control import Control
from services.names.server import Server
from socketlab.faults import naming

DEADLINE = 10.0
RECORDS = [("www.lab.test", "A", "10.0.0.1"), ("alias.lab.test", "CNAME", "www.lab.test")]


class Served:
    """A server on loopback, with a control socket of a name of its own: the real one is the namespace's."""

    def __init__(self) -> None:
        self.name = f"\0socketlab-names-{os.getpid()}-{id(self)}"
        answers = Answers(RECORDS)
        self.server = Server(answers, ["127.0.0.1"], 0, Control(answers, self.name))
        self.port = self.server.bound[0][1]
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over:
            self.server.step(0.02)

    def close(self) -> None:
        self._over = True
        self._thread.join(DEADLINE)
        self.server.close()

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(DEADLINE)
        made.connect(self.name)
        return made

    def ask(
        self, name: str = "www.lab.test", kind: str = "A", *, tcp: bool = False, seconds: float = DEADLINE
    ) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        if tcp:
            return dns.query.tcp(query, "127.0.0.1", seconds, self.port)
        return dns.query.udp(query, "127.0.0.1", seconds, self.port)

    def addresses(self, name: str = "www.lab.test", kind: str = "A") -> list[str]:
        return [
            str(each) for rrset in self.ask(name, kind).answer for each in rrset if rrset.rdtype.name == kind
        ]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


def say(connection: socket.socket, **words: Any) -> dict[str, Any]:
    connection.sendall(json.dumps(words).encode() + b"\n")
    line = b""
    while not line.endswith(b"\n"):
        data = connection.recv(4096)
        assert data, "the server hung up"
        line += data
    answer: dict[str, Any] = json.loads(line)
    return answer


def test_both_sides_know_the_same_socket() -> None:
    assert naming.CONTROL == control.NAME


@pytest.mark.parametrize("way", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [("nxdomain", "NXDOMAIN"), ("nodata", "NOERROR"), ("servfail", "SERVFAIL"), ("refused", "REFUSED")],
)
def test_a_name_gets_another_answer_and_its_own_again(
    served: Served, answer: str, code: str, way: str
) -> None:
    with served.connect() as connection:
        assert say(connection, do="answer", id=1, name="WWW.lab.test", answer=answer) == {"ok": True}
        found = served.ask(tcp=way == "tcp")
        assert dns.rcode.to_text(found.rcode()) == code
        assert not found.answer
        assert all(rrset.ttl == 0 for rrset in found.authority), "nobody shall remember it"
        assert served.addresses("other.lab.test") == []
        assert say(connection, do="counts") == {"counts": {"1": 1}}
        assert say(connection, do="heal", id=1) == {"asked": 1}
        assert served.addresses() == ["10.0.0.1"]


def test_silence_is_no_answer_at_all(served: Served) -> None:
    with served.connect() as connection:
        say(connection, do="answer", id=1, name="www.lab.test", answer="silence")
        with pytest.raises(dns.exception.Timeout):
            served.ask(seconds=0.2)
        assert say(connection, do="heal", id=1) == {"asked": 1}


def test_other_addresses_take_the_place_of_all_that_is_known_also_behind_an_alias(served: Served) -> None:
    with served.connect() as connection:
        addresses = ["10.9.9.9", "fd00::9"]
        say(connection, do="answer", id=1, name="www.lab.test", answer="address", addresses=addresses)
        assert served.addresses() == ["10.9.9.9"]
        assert served.addresses(kind="AAAA") == ["fd00::9"]
        assert served.addresses("alias.lab.test") == ["10.9.9.9"]
        say(connection, do="answer", id=2, name="www.lab.test", answer="address", addresses=["10.8.8.8"])
        assert served.addresses() == ["10.8.8.8"]  # the newest one counts
        say(connection, do="heal", id=1)
        assert served.addresses() == ["10.8.8.8"]
        say(connection, do="heal", id=2)
        assert served.addresses() == ["10.0.0.1"]


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_a_slow_answer_is_the_true_one_and_holds_up_nobody_else(served: Served, way: str) -> None:
    with served.connect() as connection:
        say(connection, do="answer", id=1, name="www.lab.test", answer="slow", seconds=0.4)
        found: list[tuple[float, list[Any]]] = []
        began = time.monotonic()

        def ask() -> None:
            answer = served.ask(tcp=way == "tcp").answer
            found.append((time.monotonic() - began, answer))

        thread = threading.Thread(target=ask)
        thread.start()
        assert served.addresses("nobody.lab.test") == []
        assert not found, "the other answer waited, too"
        thread.join(DEADLINE)
        took, answer = found[0]
        assert took >= 0.4
        assert [str(each) for each in answer[0]] == ["10.0.0.1"]


def test_what_a_connection_asked_for_is_forgotten_when_it_ends(served: Served) -> None:
    connection = served.connect()
    say(connection, do="answer", id=1, name="www.lab.test", answer="nxdomain")
    assert served.addresses() == []
    connection.close()
    deadline = time.monotonic() + DEADLINE
    while served.addresses() != ["10.0.0.1"]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b'{"do": "heal", "id": 5}',
        b'{"do": "answer", "id": 1, "name": "x..y", "answer": "nxdomain"}',
        b'{"do": "answer", "id": 1, "name": "www.lab.test", "answer": "maybe"}',
        b'{"do": "answer", "id": 1, "name": "www.lab.test", "answer": "address", "addresses": ["x"]}',
        b'{"do": "answer", "id": 1, "name": "www.lab.test", "answer": "address", "addresses": 5}',
        b'{"do": "answer", "id": 1, "name": "www.lab.test", "answer": "slow", "seconds": -1}',
        b'{"do": "answer", "id": 1, "name": "www.lab.test", "answer": "slow", "seconds": "x"}',
        b"[" * 5000,
    ],
)
def test_nonsense_is_an_error_and_changes_nothing(served: Served, line: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(line + b"\n")
        assert "error" in json.loads(connection.recv(4096))
        assert say(connection, do="counts") == {"counts": {}}
    assert served.addresses() == ["10.0.0.1"]


def test_a_line_without_end_is_not_kept(served: Served) -> None:
    with served.connect() as connection, pytest.raises(OSError):  # noqa: PT011,PT012 - whoever hears of it first
        for _ in range(64):
            connection.sendall(b"x" * 4096)
        if not connection.recv(1):
            raise ConnectionResetError
