"""The heartbeat, with a server that goes away and comes back."""

import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from socketlab.wire import Happened, decode
from tests.loopback.client.programs import ROOT, Handler, Program, Serve, Start, echo, environment


def beating(start: Start, health: Path, *more: str, env: dict[str, str] | None = None) -> Program:
    return start("services.client", "heartbeat", "--health", str(health / "health"), *more, env=env)


def test_a_server_that_goes_and_comes_back(start: Start, serve: Serve, udp_echo: int, tmp_path: Path) -> None:
    peer = serve(echo)
    tcp, udp = f"127.0.0.1:{peer.port}", f"127.0.0.1:{udp_echo}"
    heart = beating(start, tmp_path, "--target", f"tcp:{tcp}", "--target", f"udp:{udp}", "--timeout", "5")

    first = sorted([heart.line(), heart.line()])
    assert re.fullmatch(rf"tcp {tcp}  ok \S+ m?s", first[0])
    assert re.fullmatch(rf"udp {udp}  ok \S+ m?s", first[1])

    peer.stop()
    assert re.fullmatch(rf"tcp {tcp}  ok \S+ m?s -> refused \(ECONNREFUSED\)", heart.line_with("refused"))
    serve(echo, peer.port)
    back = heart.line_with("->")
    assert re.fullmatch(rf"tcp {tcp}  refused \(ECONNREFUSED\) -> ok \S+ m?s, after \S+ m?s", back)

    assert heart.end() == 0
    summary = sorted([heart.line(), heart.line()])
    assert re.fullmatch(rf"tcp {tcp}  \d+ ok, [1-9]\d* failed, longest outage \d+\.\d s", summary[0])
    assert re.fullmatch(rf"udp {udp}  [1-9]\d* ok, 0 failed, longest outage 0\.0 s", summary[1])


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (lambda peer: peer.recv(100) and threading.Event().wait(60), "timed out (connected, no answer)"),
        (lambda peer: peer.recv(100), "closed by the peer without an answer (FIN)"),
        (
            lambda peer: peer.recv(100) and peer.sendall(b"something else\n"),
            "closed by the peer without an answer (FIN)",
        ),
    ],
    ids=["silent", "closes", "answers-wrongly"],
)
def test_what_is_wrong_in_words(
    start: Start, serve: Serve, tmp_path: Path, handler: Handler, words: str
) -> None:
    port = serve(handler).port
    heart = beating(start, tmp_path, "--target", f"tcp:127.0.0.1:{port}")

    assert heart.line() == f"tcp 127.0.0.1:{port}  {words}"


def test_a_late_answer_does_not_count_for_the_next_beat(start: Start, tmp_path: Path) -> None:
    """Each datagram is answered when the next one has come: always late, always the wrong one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        heart = beating(start, tmp_path, "--target", f"udp:127.0.0.1:{port}", "--timeout", "0.2")
        server.settimeout(30)
        payloads = set()
        late, _ = server.recvfrom(100)
        for _ in range(4):
            data, peer = server.recvfrom(100)
            payloads.add(data)
            server.sendto(late, peer)
            late = data

        assert len(payloads) == 4, "no two beats send the same bytes"
        assert heart.end(signal.SIGINT) == 0
        assert heart.line() == f"udp 127.0.0.1:{port}  timed out (no answer)"
        assert heart.line().startswith(f"udp 127.0.0.1:{port}  0 ok, ")


def test_a_name_that_does_not_resolve(start: Start, tmp_path: Path) -> None:
    heart = beating(start, tmp_path, "--target", "tcp:nobody.invalid:7000", env={"LANG": "es_ES.UTF-8"})

    line = heart.line()
    assert "nombre sin resolver (EAI_AGAIN)" in line or "nombre inexistente (EAI_NONAME)" in line
    assert heart.end() == 0
    assert "0 bien" in heart.line()


def test_json(start: Start, serve: Serve, tmp_path: Path) -> None:
    heart = beating(start, tmp_path, "--target", f"tcp:127.0.0.1:{serve(echo).port}", "--json")

    first = decode(heart.line().encode())
    assert isinstance(first, Happened)
    assert (first.event.name, first.event.phase) == ("heartbeat.tcp", "changed")
    assert heart.end() == 0
    last = decode(heart.line().encode())
    assert isinstance(last, Happened)
    assert last.event.phase == "completed"
    assert "longest outage" in last.event.said


def healthy(path: Path) -> bool:
    command = [sys.executable, "-I", "-S", str(ROOT / "services" / "health.py"), str(path)]
    return subprocess.run(command, env=environment(), check=False, capture_output=True).returncode == 0


def test_it_answers_the_health_check_and_leaves_anothers_alone(
    start: Start, serve: Serve, tmp_path: Path
) -> None:
    target = f"tcp:127.0.0.1:{serve(echo).port}"
    path = tmp_path / "health"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()

    first = beating(start, tmp_path, "--target", target)
    first.line()
    assert healthy(path)
    second = beating(start, tmp_path, "--target", target)
    second.line()
    assert second.end() == 0
    assert healthy(path)
    assert first.end() == 0
    assert not path.exists()
