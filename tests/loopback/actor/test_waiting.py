"""Calls that wait: no other waits for them, they can be cancelled, and there are not too many of them."""

import errno
import socket
import struct
import time
from pathlib import Path

from socketlab.wire.call import Call, Raised, Refused, write
from tests.loopback.actor.driving import DEADLINE, Driven, driven
from tests.loopback.actor.test_sockets import connected, listening, pair


def threads(actor: Driven) -> int:
    return len(list(Path(f"/proc/{actor.pid}/task").iterdir()))


def settle(actor: Driven) -> None:
    """Wait until no thread is in an abandoned call any more; nothing tells."""
    deadline = time.monotonic() + DEADLINE
    while actor.call("about")["abandoned"]:
        assert time.monotonic() < deadline


def test_a_hundred_blocked_calls_block_nobody(actor: Driven) -> None:
    pairs = [pair(actor) for _ in range(100)]
    waits = [actor.begin("recv", 10, on=one) for one, _ in pairs]
    assert actor.call("getsockopt", 1, 3, on=pairs[0][0]) == 1
    assert actor.call("about")["calls"] == 100
    for at, (_, other) in enumerate(reversed(pairs)):
        actor.call("send", str(at).encode(), on=other)
    assert [actor.value(wait) for wait in reversed(waits)] == [str(at).encode() for at in range(100)]
    assert actor.call("about")["calls"] == 0


def test_threads_are_used_again_and_not_kept_for_ever(actor: Driven) -> None:
    one, other = pair(actor)
    for _ in range(20):
        wait = actor.begin("recv", 1, on=one)
        assert not actor.answered(wait)
        actor.call("send", b"x", on=other)
        assert actor.value(wait) == b"x"
    assert threads(actor) <= 3
    waits = [actor.begin("recv", 1, on=one) for _ in range(60)]
    assert not actor.answered(waits[0])
    actor.call("send", b"x" * 60, on=other)
    assert {actor.value(wait) for wait in waits} == {b"x"}
    # A thread that goes answers first: wait until the next blocked call finds the others gone.
    for _ in range(200):
        if threads(actor) <= 18:
            break
        actor.call("getservbyport", 80)
    assert threads(actor) <= 18


def test_lines_that_came_at_once_do_not_wait_behind_a_blocked_one(actor: Driven) -> None:
    one, other = pair(actor)
    blocked = [write(Call(number, "recv", (1,), one.number)) for number in (1001, 1002, 1003)]
    actor.raw(
        b"".join(blocked) + write(Call(1004, "clock")) + write(Call(1005, "send", (b"abc",), other.number))
    )
    assert actor.value(1004) > 0
    assert actor.value(1005) == 3
    assert {actor.value(number) for number in (1001, 1002, 1003)} == {b"a", b"b", b"c"}


def test_close_wakes_nobody_and_shutdown_does(actor: Driven) -> None:
    listener, address = listening(actor)
    waiting = actor.begin("accept", on=listener)
    actor.call("close", on=listener)
    assert not actor.answered(waiting)
    with socket.create_connection(address, timeout=10):  # the blocked call still holds the listener
        conn, _ = actor.value(waiting)
    assert actor.call("recv", 1, on=conn) == b""
    other, _ = listening(actor)
    waiting = actor.begin("accept", on=other)
    assert not actor.answered(waiting)
    actor.call("shutdown", int(socket.SHUT_RDWR), on=other)
    answer = actor.answer(waiting)
    assert isinstance(answer, Raised)
    assert answer.args[0] == errno.EINVAL


def test_a_cancelled_call_is_answered_at_once_and_nothing_else_happens(actor: Driven) -> None:
    one, other = pair(actor)
    waiting = actor.begin("recv", 10, on=one)
    assert not actor.answered(waiting)
    actor.cancel(waiting)
    assert actor.answer(waiting) == Refused(waiting, "call.cancelled", {"call": "recv"})
    about = actor.call("about")
    assert (about["calls"], about["abandoned"]) == (1, 1)
    actor.call("send", b"late", on=other)  # the abandoned call takes it, and nobody is told
    settle(actor)
    behind = actor.begin("recv", 10, on=one)
    assert not actor.answered(behind)
    actor.call("send", b"next", on=other)
    assert actor.value(behind) == b"next"
    assert actor.call("about")["calls"] == 0
    actor.cancel(behind)
    actor.cancel(10**6)
    assert actor.call("clock")


def test_a_socket_that_comes_too_late_is_closed(actor: Driven) -> None:
    listener, address = listening(actor)
    waiting = actor.begin("accept", on=listener)
    assert not actor.answered(waiting)
    actor.cancel(waiting)
    assert isinstance(actor.answer(waiting), Refused)
    with socket.create_connection(address, timeout=10) as conn:
        assert conn.recv(1) == b""
    settle(actor)
    assert actor.call("about")["sockets"] == 1


def test_a_close_that_lingers_holds_nobody_up(actor: Driven) -> None:
    _, client, conn = connected(actor)
    actor.call(
        "setsockopt", int(socket.SOL_SOCKET), int(socket.SO_LINGER), struct.pack("ii", 1, 10), on=client
    )
    actor.call("settimeout", 0, on=client)
    while actor.ask("send", bytes(200_000), on=client).__class__.__name__ == "Value":
        pass
    closing = actor.begin("close", on=client)
    assert not actor.answered(closing)
    waiting = True
    while waiting:
        waiting = bool(actor.call("recv", 1 << 20, on=conn))
    assert actor.value(closing) is None


def test_over_its_limits_it_refuses_and_goes_on() -> None:
    with driven("forked", sockets=6, calls=2, known=8, data=1000, waiting=2000) as actor:
        one, other = pair(actor)
        more = [pair(actor), pair(actor)]
        for call in (("socket", 2, 1, 0), ("socketpair", 1, 1, 0), ("epoll",), ("poll",)):
            assert actor.refused(*call) == "actor.sockets"
        assert actor.refused("dup", on=one) == "actor.sockets"
        assert actor.refused("recv", 1001, on=one) == "actor.data"
        assert actor.refused("recvmsg", 600, 600, on=one) == "actor.data"
        waits = [actor.begin("recv", 1, on=each[0]) for each in more]
        assert not any(actor.answered(wait) for wait in waits)
        assert actor.refused("recv", 1, on=one) == "actor.calls"
        assert actor.call("send", b"x", on=other) == 1
        assert actor.call("recv", 1, on=one) == b"x"  # need not wait
        for each in more:
            actor.call("send", b"x", on=each[1])
        assert [actor.value(wait) for wait in waits] == [b"x", b"x"]
        assert actor.refused("getservbyname", "x" * 3000) == "actor.waiting"
        actor.call("forget", [each.number for both in more for each in both])
        for _ in range(2):
            actor.call("close", on=actor.call("socket", 2, 1, 0))
        for _ in range(4):
            actor.call("close", on=actor.call("socket", 2, 1, 0))
        assert actor.refused("socket", 2, 1, 0) == "actor.known"
        actor.call("forget", list(range(7, 100)))
        assert actor.call("socket", 2, 1, 0).number > 12
        assert actor.end() == 0


def test_a_thousand_sockets(actor: Driven) -> None:
    for _ in range(1024):
        actor.begin("socket", 2, 1, 0)
    handles = [actor.value(number) for number in range(1, 1025)]
    assert len({handle.number for handle in handles}) == 1024
    assert actor.refused("socket", 2, 1, 0) == "actor.sockets"
    actor.call("forget", [handle.number for handle in handles])
    assert actor.call("about")["sockets"] == 0
    assert actor.descriptors() < 20


def test_a_number_in_use_is_refused(actor: Driven) -> None:
    one, other = pair(actor)
    actor.raw(write(Call(77, "recv", (1,), one.number)) * 2)
    refused = actor.answer(77)
    assert isinstance(refused, Refused)
    assert refused.code == "actor.id"
    actor.call("send", b"x", on=other)
    assert actor.value(77) == b"x"
