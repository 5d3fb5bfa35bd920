"""Every call is an event, when it starts and when it is over."""

import pytest

from socketlab.wire.event import Event
from socketlab.wire.outcome import Raised, Returned
from tests.loopback.sockets.actors import DEADLINE, local_actor


def test_started_completed_and_failed() -> None:
    events: list[Event] = []
    with local_actor("client", events.append) as actor, actor.socket() as bound, actor.socket() as sock:
        bound.bind(("127.0.0.1", 0))
        address = bound.getsockname()
        events.clear()
        with pytest.raises(ConnectionRefusedError):
            sock.connect(address)
        assert [(each.name, each.phase) for each in events] == [
            ("call.connect", "started"),
            ("call.connect", "failed"),
        ]
        started, failed = events
        assert started.said == failed.said == f"client:{sock.handle.number} connect({address})"
        assert failed.outcome is not None
        assert failed.outcome.call == f"connect({address})"
        assert isinstance(failed.outcome.result, Raised)
        assert failed.outcome.result.errno == "ECONNREFUSED"
        assert started.at_ns <= failed.at_ns + actor.offset_error_ns
        events.clear()
        actor.gethostname()
        assert [each.phase for each in events] == ["started", "completed"]
        assert events[1].outcome is not None
        assert isinstance(events[1].outcome.result, Returned)


def test_a_cancelled_call_has_failed() -> None:
    events: list[Event] = []
    with local_actor("client", events.append) as actor, actor.create_server(("127.0.0.1", 0)) as listener:
        pending = listener.begin.accept()
        pending.cancel()
        assert [each.phase for each in events if each.name == "call.accept"] == ["started", "failed"]


def test_long_bytes_are_not_in_an_event() -> None:
    events: list[Event] = []
    with local_actor("client", events.append) as actor:
        one, other = actor.socketpair()
        with one, other:
            one.sendall(b"x" * 50_000)
            other.recv(50_000)
    assert max(len(repr(each)) for each in events) < 1000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_listener_that_raises_costs_no_call_its_answer() -> None:
    def listener(event: Event) -> None:
        raise ZeroDivisionError(event.name)

    with local_actor("client", listener) as actor, actor.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert sock.begin.recv(1).cancel() in {True, False}
        assert actor.begin.gethostname().result(DEADLINE)
