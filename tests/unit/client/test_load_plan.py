"""What is asked for, and when requests are due."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.load.exchange import StreamEcho
from services.client.load.plan import SECOND, Plan, PlanError, Schedule, pause
from services.client.load.tally import Tally

rates = st.floats(0.01, 1e6)


def plan(**fields: Any) -> Plan:
    given_fields: dict[str, Any] = {"transport": "tcp", "host": "server", "port": 7000}
    return Plan(**(given_fields | fields))


@given(rates, st.integers(0, 10**15), st.integers(1, 500))
def test_a_schedule_never_drifts(rate: float, start: int, count: int) -> None:
    schedule = Schedule(rate, start)
    for _ in range(count):
        schedule.take()

    assert schedule.due is not None
    offset = count * SECOND / rate  # however many were taken; to a ns, and to a float's digits
    assert abs(schedule.due - start - offset) <= 1 + offset * 1e-15


@given(rates, st.floats(1e-6, 100.0), st.integers(0, 200))
def test_what_was_due_by_the_end_and_not_begun_is_known(rate: float, seconds: float, begun: int) -> None:
    length = max(1, min(int(seconds * SECOND), int(300 / rate * SECOND)))
    schedule = Schedule(rate, 5, 5 + length)
    for _ in range(begun):
        if schedule.due is not None:
            schedule.take()
    left = schedule.left()

    counted = 0
    while schedule.due is not None:
        assert schedule.due < 5 + length
        schedule.take()
        counted += 1
    assert left == counted
    assert schedule.left() == 0


def test_a_schedule_without_an_end_goes_on() -> None:
    schedule = Schedule(1000.0, 0)
    for _ in range(10_000):
        schedule.take()

    assert schedule.due == 10 * SECOND
    assert schedule.left() == 0


def stalled(loop: str) -> Tally:
    """A server stalls in its first second and then answers in 1 ms; what a client of one connection sees.

    The client asks for 2 s, every 10 ms; in a closed loop not before it is answered.
    """
    tally = Tally()
    exchange = StreamEcho(itertools.cycle([b"question"]), 8, tally)
    schedule = Schedule(100.0, 0, 2 * SECOND)
    now = 0
    while (due := schedule.due) is not None:
        schedule.take()
        if loop == "closed" and due < now:
            continue  # nobody asks while nobody answers: the omission
        asked = max(now, due)
        now = max(SECOND, asked) + SECOND // 1000
        exchange.take(exchange.ask(1, due, asked), now)
    return tally


def test_an_open_loop_does_not_leave_out_those_who_wait() -> None:
    closed, opened = stalled("closed"), stalled("open")

    assert opened.answered == 200
    assert closed.answered == 100
    [median, most] = closed.latency.percentiles([50.0, 100.0])
    assert median < 2 * SECOND // 1000 < SECOND < most
    # Of those who came in the first second, half waited half a second or longer.
    [three_of_four, nine_of_ten] = opened.latency.percentiles([75.0, 90.0])
    assert 0.5 * SECOND < three_of_four < 0.6 * SECOND
    assert nine_of_ten > 0.8 * SECOND


def test_pauses_grow_from_nothing_to_a_second() -> None:
    pauses = [pause(failures) for failures in range(40)]

    assert pauses[0] == 0
    assert min(pauses[1:]) == SECOND // 100
    assert pauses == sorted(pauses)
    assert pauses[-1] == SECOND


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"size": 1},
        {"size": 16 * 1024 * 1024},
        {"transport": "udp", "size": 8},
        {"transport": "udp", "size": 65_507},
        {"transport": "udp", "size": 0, "protocol": "framed"},
        {"transport": "unix-seqpacket", "size": 1},
        {"reconnect": True, "connections": 50},
    ],
)
def test_plans_that_make_sense(fields: dict[str, Any]) -> None:
    plan(**fields).check()


@pytest.mark.parametrize(
    ("fields", "code", "shown"),
    [
        ({"size": 0}, "load.size", "0"),
        ({"size": 16 * 1024 * 1024 + 1}, "load.size", "16777217"),
        ({"transport": "udp", "size": 7}, "load.size-datagram", "at least 8"),
        ({"transport": "unix-dgram", "size": 65_508}, "load.size", "65507"),
        ({"transport": "unix-seqpacket", "size": 65_508}, "load.size", "65507"),
        ({"protocol": "framed", "size": 60_001}, "load.size", "60001"),
        ({"transport": "udp", "reconnect": True}, "load.reconnect-datagrams", "streams only"),
        ({"reconnect": True, "in_flight": 2}, "load.reconnect-in-flight", "--in-flight 2"),
        ({"connections": 50_000, "in_flight": 1000, "size": 64}, "load.outstanding", "3200000000"),
    ],
)
@pytest.mark.usefixtures("english")
def test_plans_that_do_not(fields: dict[str, Any], code: str, shown: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(**fields).check()

    assert caught.value.code == code
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("transport", "datagrams", "records"),
    [
        ("tcp", False, False),
        ("unix-stream", False, False),
        ("unix-seqpacket", False, True),
        ("udp", True, True),
        ("unix-dgram", True, True),
    ],
)
def test_who_loses_what(transport: str, datagrams: bool, records: bool) -> None:  # noqa: FBT001 - a parameter
    assert (plan(transport=transport).datagrams, plan(transport=transport).records) == (datagrams, records)
