"""What a relay does at its limits: of patience, when it stops, when nobody is there; on TCP and AF_UNIX."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback.running import DEADLINE, read_to_end, send_without_reading
from tests.loopback.test_relay import KINDS, Relay, relaying
from tests.loopback.upstreams import Upstream, accept
from tests.servers.observing import cpu_seconds, descriptors, eventually

in_each_kind = pytest.mark.parametrize("style", KINDS)


@contextlib.contextmanager
def a_relay(style: str, *more: str) -> Iterator[Relay]:
    upstream = Upstream()
    with relaying(style, f"127.0.0.1:{upstream.port}", *more) as server:
        yield Relay(style, server, upstream)


@in_each_kind
def test_who_is_idle_gets_a_fin_on_both_sides(style: str) -> None:
    with a_relay(style, "--idle", "0.5") as relay, relay.connected() as (client, far):
        client.sendall(b"question")
        assert far.recv(100) == b"question"
        far.sendall(b"answer")
        assert client.recv(100) == b"answer"
        begin = time.monotonic()
        assert client.recv(100) == b""
        assert time.monotonic() - begin >= 0.4
        assert far.recv(100) == b""


@pytest.mark.parametrize("style", ["forking", "prefork", *KINDS])
def test_when_it_stops_an_answer_is_still_carried(style: str) -> None:
    with a_relay(style, "--drain", "8") as relay, relay.connected() as (client, far):
        client.sendall(b"question")
        assert far.recv(100) == b"question"
        relay.server.process.send_signal(signal.SIGTERM)
        relay.server.wait_for("stopping")
        time.sleep(0.7)  # longer than it waits where no answer is due
        far.sendall(b"answer")
        assert client.recv(100) == b"answer"
        assert client.recv(100) == b""
        assert far.recv(100) == b""
        assert relay.server.process.wait(DEADLINE) == 0
        assert not [event for event in relay.server.read_log() if event["event"] == "cut"]


@in_each_kind
def test_nothing_is_left_of_those_who_came_and_went(style: str) -> None:
    with a_relay(style, "--upstream-connect", "0.5") as relay:
        with relay.connected() as (client, far):
            far.close()
            assert client.recv(1) == b""
        before = descriptors(relay.server.pid)
        with relay.upstream.listening() as listener:
            for _ in range(20):
                with relay.connect() as client, accept(listener):
                    client.sendall(b"x")
        for _ in range(20):
            with contextlib.suppress(ConnectionResetError), relay.connect():
                pass
        assert eventually(lambda: descriptors(relay.server.pid) <= before)


@in_each_kind
def test_a_name_that_is_none_is_told(style: str) -> None:
    with relaying(style, "no..name:7") as server:
        port = server.port("relay")
        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", port), DEADLINE) as client,
        ):
            client.recv(1)
        told = server.wait_for("upstream-unreachable")
        assert told["upstream"] == "no..name:7"
        assert told["why"].startswith("EAI_NONAME")


@contextlib.contextmanager
def unix_listener(path: Path, backlog: int = 16) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        listener.settimeout(DEADLINE)
        yield listener


def unix_client(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(DEADLINE)
    client.connect(str(path))
    return client


@contextlib.contextmanager
def unix_relay(style: str, folder: Path) -> Iterator[tuple[Path, int]]:
    near = folder / "near"
    with relaying(style, f"unix:{folder}/far", "--transport", "unix-stream", "--path", str(near)) as server:
        yield near, server.pid
        assert server.process.poll() is None


@pytest.mark.parametrize("style", ["select", *KINDS])
def test_what_an_upstream_sent_before_it_closed_arrives(style: str, tmp_path: Path) -> None:
    """On a Unix socket the end is a hang-up at once, before all is read, and is reported all the time.

    So a relay that waits for a slow client must not look at it over and over.
    """
    with (
        unix_listener(tmp_path / "far") as listener,
        unix_relay(style, tmp_path) as (near, pid),
        unix_client(near) as client,
        accept(listener) as far,
    ):
        client.sendall(b"question")
        assert far.recv(100) == b"question"
        sent = send_without_reading(far)
        far.close()
        before = cpu_seconds(pid)
        time.sleep(1)
        assert cpu_seconds(pid) - before < 0.5
        assert len(read_to_end(client)) == sent


@in_each_kind
def test_a_full_backlog_of_a_unix_upstream_is_waited_for(style: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(unix_listener(tmp_path / "far", backlog=0))
        near, _ = stack.enter_context(unix_relay(style, tmp_path))
        fillers = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(3)]
        for filler in fillers:
            filler.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                filler.connect(str(tmp_path / "far"))
        client = stack.enter_context(unix_client(near))
        client.sendall(b"patience")
        time.sleep(0.3)
        for filler in fillers:
            filler.close()
        while (far := stack.enter_context(accept(listener))).recv(100) != b"patience":
            pass  # a filler, which has hung up
        far.sendall(b"answer")
        assert client.recv(100) == b"answer"
