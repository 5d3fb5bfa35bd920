"""Calls of many threads on one stream, whose other end may be anybody."""

import json
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from socketlab.errors import EndedError
from socketlab.sockets.channel import Channel
from socketlab.sockets.in_flight import InFlight
from socketlab.wire.call import Value

DEADLINE = 20.0


class Wire:
    """A stream whose other end is the test's: it sees each line, and says what it likes."""

    def __init__(self) -> None:
        self.sent: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.receiving = threading.Semaphore(0)
        self.closed = False

    def send(self, data: bytes) -> None:
        for line in data.splitlines():
            self.sent.put(json.loads(line))

    def receive(self, timeout: float | None) -> bytes:
        self.receiving.release()
        try:
            return self.arrived.get(timeout=DEADLINE if timeout is None else timeout)
        except queue.Empty:
            raise TimeoutError from None

    def close(self) -> None:
        self.closed = True
        self.arrived.put(b"")

    def say(self, data: bytes) -> None:
        self.arrived.put(data)

    def answer(self, number: int, value: object = None) -> None:
        self.say(json.dumps({"id": number, "value": value, "at": [1, 2]}).encode() + b"\n")


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - it is looked at by the test
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def value(call: InFlight) -> object:
    assert isinstance(call.answer, Value)
    return call.answer.value


def test_answers_come_in_any_order() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    one, two = channel.begin("one"), channel.begin("two")
    wire.answer(two.number, 2)
    wire.answer(one.number, 1)
    assert channel.wait(one, DEADLINE)
    assert (value(one), value(two)) == (1, 2)


def test_who_waits_hands_the_reading_on() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    calls = [channel.begin("recv") for _ in range(20)]
    waiting = [in_thread(lambda call=call: channel.wait(call, DEADLINE)) for call in calls]  # type: ignore[misc]
    assert wire.receiving.acquire(timeout=DEADLINE)
    for call in reversed(calls):
        wire.answer(call.number, call.number)
    for thread, results in waiting:
        thread.join(DEADLINE)
        assert results == [True]
    assert [value(call) for call in calls] == [call.number for call in calls]


def test_two_may_wait_for_one_call() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    call = channel.begin("accept")
    waiting = [in_thread(lambda: channel.wait(call, DEADLINE)) for _ in range(3)]
    assert wire.receiving.acquire(timeout=DEADLINE)
    wire.answer(call.number)
    for thread, results in waiting:
        thread.join(DEADLINE)
        assert results == [True]


def test_a_wait_ends_with_its_time_and_somebody_else_reads_on() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    short, long = channel.begin("recv"), channel.begin("recv")
    thread, results = in_thread(lambda: channel.wait(short, 0.05))
    assert wire.receiving.acquire(timeout=DEADLINE)
    other, others = in_thread(lambda: channel.wait(long, DEADLINE))
    thread.join(DEADLINE)
    assert results == [False]
    wire.answer(long.number)
    other.join(DEADLINE)
    assert others == [True]


@pytest.mark.parametrize(
    "said",
    [
        b"\n",
        b"[]\n",
        b"nonsense\n",
        b'{"id": 99, "value": null, "at": [1, 2]}\n',
        b'{"id": null, "refused": ["wire-json", {}]}\n',
        b'{"id": 1, "value": {"b": "*"}, "at": [1, 2]}\n',
        b'{"id": 1, "value": {"d": [[[], 1]]}, "at": [1, 2]}\n',
        b'{"id": 1, "value": ' + b"[" * 5000 + b"]" * 5000 + b', "at": [1, 2]}\n',
        b'{"id": 1, "value": null}\n',
        b"\xff\xfe\n",
    ],
)
def test_what_no_actor_sends_ends_it(said: bytes) -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    call = channel.begin("recv")
    wire.say(said)
    assert channel.wait(call, DEADLINE)
    assert not isinstance(call.answer, Value)
    assert wire.closed
    with pytest.raises(EndedError, match="client"):
        channel.begin("recv")


def test_an_answer_given_twice_ends_it() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    one, two = channel.begin("recv"), channel.begin("recv")
    wire.answer(one.number)
    wire.answer(one.number)
    assert channel.wait(two, DEADLINE)
    assert not isinstance(two.answer, Value)


def test_the_end_of_the_stream_ends_every_wait() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    calls = [channel.begin("recv") for _ in range(5)]
    waiting = [in_thread(lambda call=call: channel.wait(call, DEADLINE)) for call in calls]  # type: ignore[misc]
    assert wire.receiving.acquire(timeout=DEADLINE)
    wire.say(b"")
    for thread, results in waiting:
        thread.join(DEADLINE)
        assert results == [True]
    assert channel.ended()


def test_what_comes_for_an_abandoned_call_is_forgotten_over_there() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    call = channel.begin("accept", (), 3)
    assert wire.sent.get(timeout=DEADLINE)["call"] == "accept"
    assert channel.abandon(call)
    assert wire.sent.get(timeout=DEADLINE) == {"cancel": call.number}
    wire.answer(call.number, {"t": [{"h": [8, "socket", 2, 1, 0]}, {"t": ["127.0.0.1", 9]}]})
    channel.look()
    channel.begin("clock")
    forget = wire.sent.get(timeout=DEADLINE)
    assert (forget["call"], forget["args"]) == ("forget", [[8]])


def test_an_orphan_is_cancelled_with_the_next_call() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    call = channel.begin("accept", (), 3)
    channel.orphan(call)
    channel.begin("clock")
    sent = [wire.sent.get(timeout=DEADLINE) for _ in range(3)]
    assert sent[1] == {"cancel": call.number}
    assert sent[2]["call"] == "clock"


def test_an_interrupted_reader_loses_nothing() -> None:
    wire = Wire()
    interrupts = iter([True])

    def told(_call: InFlight) -> None:
        if next(interrupts, False):
            raise KeyboardInterrupt

    channel = Channel(wire, "client", ended=told)
    one, two, three = (channel.begin("recv") for _ in range(3))
    lines = [json.dumps({"id": call.number, "value": 1, "at": [1, 2]}) for call in (one, two, three)]
    wire.say("\n".join(lines).encode() + b"\n")
    with pytest.raises(KeyboardInterrupt):
        channel.wait(one, DEADLINE)
    assert channel.wait(three, DEADLINE)
    assert [value(call) for call in (one, two, three)] == [1, 1, 1]
    assert not channel.ended()


def test_answers_are_read_while_more_is_sent_than_a_pipe_holds() -> None:
    wire = Wire()
    channel = Channel(wire, "client")
    first = channel.begin("recv")
    channel.begin("send", (b"x" * 100_000,), 3)
    assert wire.receiving.acquire(timeout=DEADLINE)  # nobody waits, and yet somebody reads
    wire.answer(first.number, 5)
    wire.answer(first.number + 1, 100_000)
    assert channel.wait(first, DEADLINE)
    channel.close()
