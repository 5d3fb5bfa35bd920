"""Calls that are begun and awaited later, given up, forgotten, interrupted."""

import gc
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from socketlab.errors import CallError, EndedError
from socketlab.sockets import Actor, Socket, StillRunningError
from tests.loopback.sockets.actors import DEADLINE, actor_process, local_actor


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact that no event tells."""
    deadline = time.monotonic() + DEADLINE
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_result_that_is_not_there_yet(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    pending = one.begin.recv(10)
    with pytest.raises(StillRunningError, match="recv") as raised:
        pending.result(timeout=0.01)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.errno is None
    assert (pending.done(), pending.outcome) == (False, None)
    other.sendall(b"now")
    assert pending.result(DEADLINE) == b"now"
    assert pending.result(0) == b"now"
    assert pending.done()
    outcome = pending.outcome
    assert outcome is not None
    assert outcome.call == "recv(10)"
    assert outcome.started_ns < outcome.ended_ns


def test_an_error_is_raised_where_it_is_awaited(actor: Actor) -> None:
    with actor.socket() as bound, actor.socket() as sock:
        bound.bind(("127.0.0.1", 0))
        pending = sock.begin.connect(bound.getsockname())
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                pending.result(DEADLINE)
        outcome = pending.outcome
        assert outcome is not None
        assert getattr(outcome.result, "errno", None) == "ECONNREFUSED"


def test_many_blocked_calls_at_once(actor: Actor) -> None:
    pairs = [actor.socketpair() for _ in range(30)]
    pendings = [one.begin.recv(10) for one, _ in pairs]
    assert actor.gethostname()  # they hold up nothing
    for number, (_, other) in reversed(list(enumerate(pairs))):
        other.sendall(b"%d" % number)
    assert [pending.result(DEADLINE) for pending in pendings] == [b"%d" % each for each in range(30)]
    for one, other in pairs:
        one.close()
        other.close()


def test_threads_share_an_actor(actor: Actor) -> None:
    pairs = [actor.socketpair() for _ in range(8)]
    echoed: list[bytes] = []

    def talk(one: Socket, other: Socket) -> None:
        for each in range(30):
            one.sendall(b"%03d" % each)
            echoed.append(other.recv(3))

    threads = [threading.Thread(target=talk, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(echoed) == sorted(b"%03d" % each for each in range(30) for _ in pairs)
    for one, other in pairs:
        one.close()
        other.close()


def test_a_cancelled_call_is_over_and_nothing_is_shut_down(pair: tuple[Socket, Socket], actor: Actor) -> None:
    one, other = pair
    pending = one.begin.recv(10)
    assert pending.cancel()
    assert pending.cancelled
    assert pending.done()
    assert not pending.cancel()
    with pytest.raises(CallError, match="cancelled"):
        pending.result()
    other.sendall(b"into the void")  # the call over there takes it, and drops it
    until(lambda: actor.about()["abandoned"] == 0)
    one.sendall(b"back")
    assert other.recv(10) == b"back"


def test_what_has_ended_cannot_be_cancelled(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    other.sendall(b"x")
    pending = one.begin.recv(10)
    until(pending.done)
    assert not pending.cancel()
    assert pending.result() == b"x"


def test_a_connection_accepted_for_nobody_is_closed_over_there(actor: Actor) -> None:
    with actor.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(None)
        listener.begin.accept().cancel()
        with actor.create_connection(listener.getsockname()) as conn:
            assert conn.recv(1) == b""


def test_one_that_is_dropped_warns_and_is_cancelled() -> None:
    def drop(sock: Socket) -> None:
        sock.begin.recv(10)
        gc.collect()

    with pytest.raises(CallError, match=r"recv\(10\)"), local_actor() as actor:  # noqa: PT012 - both
        one, other = actor.socketpair()
        with pytest.warns(ResourceWarning, match=r"client:\d+ recv\(10\)"):
            drop(one)
        until(lambda: actor.about()["abandoned"] == 1)
        one.close()
        other.close()


def test_a_connection_in_a_dropped_result_is_closed(actor: Actor) -> None:
    with actor.create_server(("127.0.0.1", 0)) as listener:
        pending = listener.begin.accept()
        with actor.create_connection(listener.getsockname()) as conn:
            until(pending.done)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                del pending
                gc.collect()
            assert conn.recv(1) == b""


def test_one_that_nobody_has_awaited_is_an_error_at_the_end() -> None:
    pending = None
    with pytest.raises(CallError, match=r"client:\d+ accept\(\)"), local_actor() as actor:  # noqa: PT012 - both
        listener = actor.create_server(("127.0.0.1", 0))
        pending = listener.begin.accept()
    assert pending is not None
    with pytest.raises(EndedError, match="client"):
        pending.result()


def test_one_that_failed_and_nobody_has_awaited_is_an_error_at_the_end() -> None:
    with pytest.raises(CallError, match=r"connect\("), local_actor() as actor:  # noqa: PT012 - both
        bound, sock = actor.socket(), actor.socket()
        bound.bind(("127.0.0.1", 0))
        pending = sock.begin.connect(bound.getsockname())
        until(pending.done)


def test_one_that_succeeded_may_go_unawaited_at_the_end() -> None:
    with local_actor() as actor:
        one, other = actor.socketpair()
        pending = one.begin.sendall(b"x")
        assert other.recv(1) == b"x"
        until(pending.done)
    pending.result()


def test_another_error_is_not_hidden_by_it() -> None:
    with pytest.raises(ZeroDivisionError), local_actor() as actor:  # noqa: PT012 - both
        pending = actor.create_server(("127.0.0.1", 0)).begin.accept()
        raise ZeroDivisionError
    pending.cancel()


def test_a_dropped_socket_warns_and_is_closed_over_there(actor: Actor) -> None:
    def drop() -> tuple[str, int]:
        listener = actor.create_server(("127.0.0.1", 0))
        address: tuple[str, int] = listener.getsockname()
        del listener
        gc.collect()
        return address

    with pytest.warns(ResourceWarning, match="unclosed <Socket client"):
        address = drop()
    with pytest.raises(ConnectionRefusedError), actor.socket() as sock:
        sock.connect(address)


@contextmanager
def interrupted_soon(actor: Actor) -> Iterator[None]:
    """Ctrl-C in a moment, from a thread that goes on using the actor.

    More than once, as people do: a signal that arrives just before a thread enters the kernel does not end
    that wait (Python looks for it before and after), and this thread has the actor answer just then.
    """
    main = threading.main_thread().ident
    assert main is not None
    felt = threading.Event()

    def interrupt() -> None:
        assert actor.gethostname()
        while not felt.wait(0.5):
            signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    except KeyboardInterrupt:
        felt.set()
        raise
    finally:
        felt.set()
        thread.join()


def test_ctrl_c_ends_the_wait_here_and_says_what_becomes_of_it(
    pair: tuple[Socket, Socket], actor: Actor
) -> None:
    one, other = pair
    with pytest.raises(KeyboardInterrupt) as raised, interrupted_soon(actor):
        one.recv(10)
    assert "recv(10)" in raised.value.__notes__[0]
    until(lambda: actor.about()["abandoned"] == 1)
    one.sendall(b"x")
    assert other.recv(1) == b"x"


def test_ctrl_c_while_a_pending_is_awaited_leaves_it_running(
    pair: tuple[Socket, Socket], actor: Actor
) -> None:
    one, other = pair
    pending = one.begin.recv(10)
    with pytest.raises(KeyboardInterrupt) as raised, interrupted_soon(actor):
        pending.result()
    assert "goes on" in raised.value.__notes__[0]
    other.sendall(b"x")
    assert pending.result(DEADLINE) == b"x"


def test_the_end_of_the_actor_ends_every_wait() -> None:
    with actor_process() as (stream, process), Actor(stream, "server") as actor:
        pairs = [actor.socketpair() for _ in range(3)]
        pendings = [one.begin.recv(1) for one, _ in pairs]
        process.kill()
        for pending in pendings:
            with pytest.raises(EndedError, match=r"server.*recv\(1\)"):
                pending.result(DEADLINE)
        with pytest.raises(EndedError, match="server"):
            actor.gethostname()
        assert actor.ended
        for one, other in pairs:
            one.close()
            other.close()
