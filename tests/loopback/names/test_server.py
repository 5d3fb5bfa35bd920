"""The lab's name server as a program, asked over UDP and TCP on loopback."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from services.names import server
from services.names.answers import Answers
from socketlab.hosts import names

ROOT = Path(__file__).parents[3]
DEADLINE = 10.0
RECORDS = [
    ["www.lab.test", "A", "10.0.0.1"],
    ["silent.lab.test", "SILENCE", ""],
    *(["lots.lab.test", "A", f"10.2.0.{number}"] for number in range(200)),
]
QUERY = dns.message.make_query("www.lab.test", "A")


def start(records: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "services.names", str(records), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "records.json"
    path.write_text(json.dumps(RECORDS), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ports(records: Path) -> Iterator[dict[str, int]]:
    """Where it answers: port by address."""
    with start(records, "--address", "127.0.0.1", "--address", "::1", "--port", "0") as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.encode().startswith(names._READY)  # noqa: SLF001 - the two sides of one line
            yield {address: int(port) for address, port in re.findall(r"([\d.:]*[\d]) (\d+)", line)}
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_udp_and_tcp(ports: dict[str, int], address: str) -> None:
    port = ports[address]
    for answer in (
        dns.query.udp(QUERY, address, DEADLINE, port),
        dns.query.tcp(QUERY, address, DEADLINE, port),
    ):
        assert [str(each) for each in answer.answer[0]] == ["10.0.0.1"]


def test_what_is_cut_in_udp_is_whole_in_tcp(ports: dict[str, int]) -> None:
    query = dns.message.make_query("lots.lab.test", "A")
    answer, by_tcp = dns.query.udp_with_fallback(query, "127.0.0.1", DEADLINE, ports["127.0.0.1"])
    assert by_tcp
    assert len(answer.answer[0]) == 200


def test_silence(ports: dict[str, int]) -> None:
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(dns.message.make_query("silent.lab.test", "A"), "127.0.0.1", 0.2, ports["127.0.0.1"])


def test_many_questions_in_one_connection_and_in_pieces(ports: dict[str, int]) -> None:
    wire = QUERY.to_wire()
    asked = (struct.pack("!H", len(wire)) + wire) * 50
    with socket.create_connection(("127.0.0.1", ports["127.0.0.1"]), DEADLINE) as s:
        for at in range(0, len(asked), 7):
            s.sendall(asked[at : at + 7])
        file = s.makefile("rb")
        for _ in range(50):
            (length,) = struct.unpack("!H", file.read(2))
            assert dns.message.from_wire(file.read(length)).id == QUERY.id


def test_hostile_packets_leave_it_well(ports: dict[str, int]) -> None:
    port = ports["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for packet in (b"", b"\0", b"\xff" * 600, QUERY.to_wire()[:-3], b"\0" * 12, bytes(4096)):
            s.sendto(packet, ("127.0.0.1", port))
    for garbage in (b"\0\0", b"\xff\xff" + b"x" * 70_000, b"\0\5abc"):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as s:
            s.sendall(garbage)
    assert dns.query.udp(QUERY, "127.0.0.1", DEADLINE, port).answer


def test_more_connections_than_it_takes_push_out_the_oldest(ports: dict[str, int]) -> None:
    port = ports["127.0.0.1"]
    opened = [socket.create_connection(("127.0.0.1", port), DEADLINE) for _ in range(server.CONNECTIONS + 1)]
    try:
        assert opened[0].recv(1) == b""
        assert dns.query.tcp(QUERY, "127.0.0.1", DEADLINE, port).answer
    finally:
        for each in opened:
            each.close()


def test_a_quiet_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE", 0.05)
    ours = server.Server(Answers([]), ["127.0.0.1"], 0)
    try:
        with socket.create_connection(ours.bound[0], DEADLINE) as s:
            ours.step(DEADLINE)  # takes it
            s.settimeout(0.01)
            for _ in range(200):
                ours.step(0.02)
                try:
                    assert s.recv(1) == b""
                except TimeoutError:
                    continue
                break
            else:
                pytest.fail("it is still open")
    finally:
        ours.close()


class Long(Answers):
    """Has the longest answer to everything, at once."""

    def answer(self, wire: bytes, *, tcp: bool) -> bytes:
        assert tcp
        return wire[:2] + bytes(65_000)


def test_a_reader_that_does_not_read_is_read_no_more() -> None:
    ours = server.Server(Long([]), ["127.0.0.1"], 0)
    wire = QUERY.to_wire()
    asked = (struct.pack("!H", len(wire)) + wire) * 500
    try:
        with socket.create_connection(ours.bound[0], DEADLINE) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(0)
            sent = 0
            for _ in range(2000):
                try:
                    sent += s.send(asked)
                except BlockingIOError:
                    break
                ours.step(0)
            else:
                pytest.fail(f"it took {sent} bytes of questions")
    finally:
        ours.close()


@pytest.mark.parametrize("text", ["no json", "[1]", '[["a", "A"]]', '[["a.test", "A", "nonsense"]]', None])
def test_records_that_cannot_be_had(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "records.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with start(path) as process:
        _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 4
    assert said.startswith("names: ")
    assert "Traceback" not in said


def test_an_address_that_it_cannot_have(records: Path) -> None:
    with start(records, "--address", "192.0.2.1", "--port", "0") as process:
        _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 4
    assert "EADDRNOTAVAIL" in said
