"""The holder's server over its real socket; the lab behind it is this test's, its streams are socketpairs."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from socketlab.errors import EndedError, FaultsError, HostError
from socketlab.holder import server as server_module
from socketlab.holder.client import HeldMachines, HeldStream, down, find
from socketlab.holder.protocol import FaultAsk, plain
from socketlab.holder.runtime import Seat
from socketlab.holder.server import Server
from socketlab.hosts.backend import HostState
from socketlab.wire.errors import WordsError
from tests.unit.holder.test_protocol import ABOUT

SECONDS = 20.0


class PairLab:
    """Streams of its hosts end in `far`, for the test to play the program."""

    def __init__(self) -> None:
        self.far: list[socket.socket] = []
        self.done: list[tuple[Any, ...]] = []
        self.blocked = threading.Event()
        self.go_on = threading.Event()

    def about(self) -> dict[str, Any]:
        told: dict[str, Any] = plain(ABOUT)
        return told

    def states(self) -> dict[str, HostState]:
        return {"one": "running"}

    def actor(self, host: str) -> HeldStream:
        if host != "one":
            raise HostError("holder.host", name="demo", seen=host, names="one")
        near, far = socket.socketpair()
        far.settimeout(SECONDS)
        self.far.append(far)
        return HeldStream(near, host)

    agent = actor

    def act(self, host: str, action: str) -> None:
        self.done.append((host, action))
        if action == "stop":
            self.blocked.set()
            assert self.go_on.wait(SECONDS)
        if action == "kill":
            raise ZeroDivisionError

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        self.done.append((host, network, connected))

    def link(self, host: str, network: str, *, up: bool) -> None:
        self.done.append((host, network, up))

    def fault(self, ask: FaultAsk) -> dict[str, Any]:
        self.done.append((ask.op, ask.words))
        if ask.op == "heal":
            raise FaultsError("holder.faults.no-packet", seen=7, known="-")
        if ask.op == "add":
            raise WordsError("words-kind", seen="dorp", known="drop")
        return {"leases": []}

    def watch(self, lease: str | None) -> HeldStream:
        self.done.append(("watch", lease))
        return self.actor("one")


@contextlib.contextmanager
def holding(lab: PairLab, deadline: float | None = None) -> Iterator[Callable[[], None]]:
    """A server for a lab; ends with its block, or when what it yields is called."""
    seat = Seat("demo")
    woken, waker = socket.socketpair()
    with seat.taken():
        server = Server(lab, seat.listen(), lambda line: lab.done.append((line,)))

        def serve() -> None:
            server.serve(woken, deadline)
            seat.socket.unlink()
            server.finish(None)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield lambda: thread.join(SECONDS)
        finally:
            lab.go_on.set()
            waker.send(b"x")
            thread.join(SECONDS)
            for each in (woken, waker, *lab.far):
                each.close()
        assert not thread.is_alive()


@pytest.fixture
def lab() -> PairLab:
    return PairLab()


@pytest.fixture
def held(runtime: Path, lab: PairLab) -> Iterator[HeldMachines]:
    del runtime
    with holding(lab):
        machines = HeldMachines(find(None))
        yield machines
        machines.close()


def test_it_says_what_it_holds(held: HeldMachines) -> None:
    assert held.about == replace(ABOUT)
    assert held.states() == {"one": "running"}


def test_it_does_what_it_is_asked_to(held: HeldMachines, lab: PairLab) -> None:
    held.act("one", "pause")
    held.plug("one", "a", connected=False)
    held.link("one", "a", up=True)
    assert lab.done == [("one", "pause"), ("one", "a", False), ("one", "a", True)]


def test_a_mistake_of_ours_is_told_and_ends_nothing(held: HeldMachines) -> None:
    with pytest.raises(HostError, match="ZeroDivisionError"):
        held.act("one", "kill")
    assert held.states() == {"one": "running"}


def test_faults_are_asked_for_in_words_and_errors_keep_their_class(held: HeldMachines, lab: PairLab) -> None:
    assert held.fault(FaultAsk(op="list")) == {"leases": []}
    with pytest.raises(FaultsError, match="no packet 7"):
        held.fault(FaultAsk(op="heal", lease="3"))
    with pytest.raises(WordsError, match="dorp"):
        held.fault(FaultAsk(op="add", host="one", words=("dorp", "--payload", "\\x00" * 256)))
    assert [op for op, _ in lab.done] == ["list", "heal", "add"]


def test_who_watches_has_a_stream_of_its_own(held: HeldMachines, lab: PairLab) -> None:
    stream = held.watch("3")
    lab.far[0].sendall(b"line\n")
    assert stream.receive(SECONDS) == b"line\n"
    stream.close()
    assert lab.far[0].recv(1) == b""
    assert held.states() == {"one": "running"}


def test_a_stream_carries_bytes_both_ways_and_its_end(held: HeldMachines, lab: PairLab) -> None:
    stream = held.actor("one")
    far = lab.far[0]
    far.sendall(b"hello\n")
    assert stream.receive(SECONDS) == b"hello\n"
    data = bytes(range(256)) * 4096
    sender = threading.Thread(target=stream.send, args=(data,))
    sender.start()
    got = b""
    while len(got) < len(data):
        got += far.recv(65536)
    sender.join(SECONDS)
    assert got == data
    far.close()
    assert stream.receive(SECONDS) == b""
    stream.close()


def test_a_closed_stream_ends_its_program(held: HeldMachines, lab: PairLab) -> None:
    stream = held.agent("one")
    stream.close()
    assert lab.far[0].recv(1) == b""


def test_a_reader_of_a_closed_stream_comes_back(held: HeldMachines) -> None:
    stream = held.actor("one")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(stream.receive(None)))
    reader.start()
    stream.close()
    reader.join(SECONDS)
    assert got == [b""]


def test_nothing_within_the_timeout(held: HeldMachines) -> None:
    stream = held.actor("one")
    with pytest.raises(TimeoutError):
        stream.receive(0.01)
    stream.close()


def test_no_such_host(held: HeldMachines) -> None:
    with pytest.raises(HostError, match="no host"):
        held.actor("two")


def test_a_client_that_waits_holds_up_nobody(held: HeldMachines, lab: PairLab) -> None:
    seat = Seat("demo")
    silent = seat.connect()
    other = HeldMachines(seat)
    stopper = threading.Thread(target=other.act, args=("one", "stop"))
    stopper.start()
    assert lab.blocked.wait(SECONDS)
    assert held.states() == {"one": "running"}
    lab.go_on.set()
    stopper.join(SECONDS)
    silent.close()
    other.close()


def test_nonsense_is_answered_and_dropped(held: HeldMachines) -> None:
    connection = Seat("demo").connect()
    connection.settimeout(SECONDS)
    connection.sendall(b"GET / HTTP/1.0\n")
    told = b""
    while data := connection.recv(4096):
        told += data
    connection.close()
    assert b'"failure"' in told
    assert held.states() == {"one": "running"}


def test_over_its_limit_it_says_so(runtime: Path, lab: PairLab, monkeypatch: pytest.MonkeyPatch) -> None:
    del runtime
    monkeypatch.setattr(server_module, "MOST_CLIENTS", 2)
    with holding(lab):
        machines = HeldMachines(Seat("demo"))
        stream = machines.actor("one")
        with pytest.raises(EndedError, match="its limit"):
            machines.actor("one")
        stream.close()
        machines.close()


def test_down_ends_it_and_returns_when_it_has(runtime: Path, lab: PairLab) -> None:
    del runtime
    with holding(lab) as ended:
        machines = HeldMachines(Seat("demo"))
        stream = machines.actor("one")
        down(Seat("demo"), SECONDS)
        assert stream.receive(SECONDS) == b""
        ended()
        with pytest.raises(EndedError, match="is gone"):
            machines.states()
        stream.close()
        machines.close()


def test_it_ends_when_its_time_is_up(runtime: Path, lab: PairLab) -> None:
    del runtime
    with holding(lab, deadline=0.0) as ended:
        ended()
        assert not Seat("demo").socket.exists()
