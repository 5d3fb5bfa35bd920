"""Whoever answers where an engine should: too old, none at all, gone, forbidden."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from socketlab.errors import BackendError
from socketlab.hosts.docker import probe
from socketlab.hosts.docker.endpoint import Endpoint, Tls
from socketlab.hosts.docker.engine import Engine, EngineError
from socketlab.hosts.docker.probing import kind_of

VERSION = '{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}'
Serve = Callable[..., Endpoint]


def answer(body: str, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}".encode()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Plays an engine: each argument is a connection, with the answers that are given on it."""
    path = tmp_path / "engine.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    threads: list[threading.Thread] = []

    def play(connections: tuple[list[bytes], ...]) -> None:
        for answers in connections:
            connection, _ = listener.accept()
            with connection:
                for each in answers:
                    if not connection.recv(1 << 16):
                        break
                    connection.sendall(each)

    def start(*connections: list[bytes]) -> Endpoint:
        threads.append(threading.Thread(target=play, args=(connections,)))
        threads[0].start()
        return Endpoint(f"unix://{path}", "test")

    with listener:
        yield start
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


def refused(endpoint: Endpoint) -> str:
    """The code of the error that asking gives."""
    engine = Engine(endpoint)
    with pytest.raises(BackendError) as error:
        engine.version()
    engine.close()
    assert str(error.value)
    return error.value.code


def test_nobody_there(tmp_path: Path) -> None:
    endpoint = Endpoint(f"unix://{tmp_path}/none.sock", "test")
    assert refused(endpoint) == "docker.away"
    found = probe(endpoint)
    assert (found.usable, found.error and found.error.code) == (False, "docker.away")
    assert str(tmp_path) in found.why_not == found.why


def test_nobody_there_by_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refused(Endpoint(f"tcp://127.0.0.1:{port}", "test")) == "docker.away"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
def test_forbidden(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        pid = os.fork()
        if pid == 0:
            os.setresuid(65534, 65534, 65534)
            try:
                Engine(Endpoint(f"unix://{path}", "test")).version()
            except BackendError as error:
                os._exit(0 if error.code == "docker.forbidden" else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("OK", "docker.no-engine"),
        ("{}", "docker.no-engine"),
        ('{"ApiVersion": "new"}', "docker.no-engine"),
        ('{"Version": "19.03", "ApiVersion": "1.40"}', "docker.api"),
        ('{"Version": "99", "ApiVersion": "1.99", "MinAPIVersion": "1.90"}', "docker.api"),
    ],
)
def test_answers_of_others(serve: Serve, body: str, code: str) -> None:
    assert refused(serve([answer(body)])) == code


def test_not_even_http(serve: Serve) -> None:
    assert refused(serve([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"])) == "docker.away"


def test_tls_with_somebody_without(serve: Serve) -> None:
    endpoint = Endpoint("https://127.0.0.1:9", "test", Tls(None, None, None))
    assert refused(endpoint) == "docker.away"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def say_http() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer("no TLS here", "400 Bad Request"))

        thread = threading.Thread(target=say_http)
        thread.start()
        there = Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}", "test", Tls(None, None, None))
        assert refused(there) == "docker.tls"
        thread.join(10)
    engine = Engine(serve([answer(VERSION)]))
    assert engine.version()["Version"] == "20.10.24"
    engine.close()


def test_its_no_is_told_in_its_words(serve: Serve) -> None:
    engine = Engine(serve([answer(VERSION), answer('{"message": "no such thing"}', "404 Not Found")]))
    with pytest.raises(EngineError, match="no such thing") as error:
        engine.ask("GET", "/things")
    assert (error.value.status, error.value.seen) == (404, "no such thing")
    engine.close()


def test_kept_connection_that_was_closed_meanwhile(serve: Serve) -> None:
    engine = Engine(serve([answer(VERSION), answer("[]")], [answer("[1]")]))
    assert engine.ask("GET", "/things") == []
    assert engine.ask("GET", "/things") == [1]
    engine.close()


def test_stream_begins_right_behind_the_header(serve: Serve) -> None:
    upgraded = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nand more"
    engine = Engine(serve([answer(VERSION)], [upgraded]))
    connection, rest = engine.hijack("/exec/1/start", {})
    with connection:
        while data := connection.recv(100):
            rest += data
    assert rest == b"and more"
    engine.close()


def test_stream_that_is_refused(serve: Serve) -> None:
    no = answer('{"message": "is not running"}', "409 Conflict")
    engine = Engine(serve([answer(VERSION)], [no]))
    with pytest.raises(EngineError, match="is not running") as error:
        engine.hijack("/exec/1/start", {})
    assert error.value.status == 409
    engine.close()


@pytest.mark.parametrize(
    ("version", "info", "kind"),
    [
        ({}, {}, "Docker"),
        ({"Platform": {"Name": "Docker Desktop 4.30"}}, {}, "Docker Desktop"),
        ({}, {"OperatingSystem": "Docker Desktop"}, "Docker Desktop"),
        ({}, {"SecurityOptions": ["name=seccomp", "name=rootless"]}, "Docker, rootless"),
        ({"Components": [{"Name": "Podman Engine"}]}, {}, "Podman"),
    ],
)
def test_which_engine_it_is(version: dict[str, object], info: dict[str, object], kind: str) -> None:
    assert kind_of(version, info) == kind
