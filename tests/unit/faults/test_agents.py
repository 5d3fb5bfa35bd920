"""The stream to an agent: answers find their askers, and whatever the other end does is one clear error."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from socketlab.errors import AgentError, FaultsError
from socketlab.faults import agents, drop
from socketlab.faults.agents import Agent
from socketlab.hosts.namespace.stream import SocketStream
from socketlab.wire.errors import FaultError
from socketlab.wire.lease import Lease, LogEntry
from socketlab.wire.message import (
    Add,
    Applied,
    Attach,
    Attached,
    Detail,
    Failure,
    Heal,
    Leases,
    List,
    LogPage,
    Message,
    Unwatch,
    Watch,
    Watching,
    decode,
    encode,
)

DEADLINE = 10.0


@contextmanager
def other_end(
    answer: Callable[[Message], list[bytes]], ended: Callable[[Agent], None] = lambda _: None
) -> Iterator[tuple[Agent, socket.socket]]:
    """An agent whose words are ours, on a real stream."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs.makefile("rb") as lines:
            for line in lines:
                message = decode(line)
                parts = [encode(Attached(message.id))] if isinstance(message, Attach) else answer(message)
                try:
                    theirs.sendall(b"".join(parts))
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    agent = Agent(SocketStream(ours, "server"), "server", ended)
    try:
        yield agent, theirs
    finally:
        agent.close()
        thread.join(DEADLINE)
        theirs.close()


def lease(name: str) -> Lease:
    return Lease(id=name, fault=drop())


def test_answers_find_their_askers_in_any_order() -> None:
    waiting: list[int] = []

    def answer(message: Message) -> list[bytes]:
        assert isinstance(message, List)
        waiting.append(message.id)
        if len(waiting) < 5:
            return []
        return [encode(Leases(number, (lease(f"f{number}"),))) for number in reversed(waiting)]

    with other_end(answer) as (agent, _):
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(agent.leases()[0].id)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert sorted(found) == [f"f{number}" for number in sorted(waiting)]


def test_what_the_agent_says_no_with_is_said_in_our_words() -> None:
    refusals = iter(
        [
            Failure(1, "agent.unknown-lease", (Detail("seen", "'f9'"), Detail("known", "-"))),
            Failure(2, "agent.of-another-release", (Detail("what", "new"),)),
            Failure(3, "fault-seed-alone"),
        ]
    )

    def answer(message: Message) -> list[bytes]:
        refusal = next(refusals)
        return [encode(Failure(getattr(message, "id", None), refusal.code, refusal.details))]

    with other_end(answer) as (agent, _):
        with pytest.raises(AgentError, match="no fault 'f9' is in force"):
            agent.heal("f9")
        with pytest.raises(AgentError, match=r"agent\.of-another-release.*what new.*another release"):
            agent.leases()
        with pytest.raises(FaultError, match="a seed without a probability"):
            agent.leases()


@pytest.mark.parametrize(
    "line", [b"no json\n", b"{}\n", b'{"v":1,"type":"failure","id":null,"code":"x"}\n', b"\xff" * 100 + b"\n"]
)
def test_garbage_ends_the_stream_and_whoever_waits(line: bytes) -> None:
    told = threading.Event()
    with other_end(lambda _: [line], lambda _: told.set()) as (agent, _):
        with pytest.raises(FaultsError, match="agent of server is away"):
            agent.leases()
        assert told.wait(DEADLINE)
        assert agent.ended
        with pytest.raises(FaultsError, match="is away"):
            agent.leases()


def test_an_end_is_told_once_and_our_own_is_not() -> None:
    told: list[Agent] = []
    come = threading.Event()

    def ended(agent: Agent) -> None:
        told.append(agent)
        come.set()

    with other_end(lambda _: [], ended) as (agent, theirs):
        theirs.shutdown(socket.SHUT_RDWR)
        assert come.wait(DEADLINE)
        assert told == [agent]
    come.clear()
    with other_end(lambda _: [], ended) as (agent, _):
        agent.close()
        assert agent.ended
        assert not come.wait(0.1)


def test_an_agent_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with other_end(lambda _: []) as (agent, _):
        monkeypatch.setattr(agents.Agent._ask, "__defaults__", (0.05,))  # noqa: SLF001
        with pytest.raises(FaultsError, match=r"has not answered within 0\.05 s"):
            agent.leases()


def test_a_lease_that_nobody_waited_for_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when Ctrl-C comes between a request and its answer."""
    healed = threading.Event()
    added: list[Add] = []

    def answer(message: Message) -> list[bytes]:
        if isinstance(message, Add):
            added.append(message)
        if isinstance(message, List):  # late: the answer to what was given up comes now
            return [encode(Applied(added[0].id, lease("f1"))), encode(Leases(message.id, ()))]
        if isinstance(message, Heal) and message.lease == "f1":
            healed.set()
        return []

    with other_end(answer) as (agent, _):
        with monkeypatch.context() as brief:
            brief.setattr(agents.Agent._ask, "__defaults__", (0.05,))  # noqa: SLF001
            with pytest.raises(FaultsError):
                agent.add(drop())
        agent.leases()
        assert healed.wait(DEADLINE)


def test_what_a_watch_brings_comes_before_its_end() -> None:
    entry = LogEntry(number=1, at_ns=1, lease="f1", flow="", ordinal=1, action="dropped")

    def answer(message: Message) -> list[bytes]:
        if isinstance(message, Watch):
            assert message.log
            return [encode(Watching(message.id)), encode(LogPage(message.id, (entry,), 0, 1))]
        assert isinstance(message, Unwatch)
        return [encode(LogPage(message.watch, (entry,), 0, 1)), encode(Watching(message.id))]

    told: list[Message] = []
    with other_end(answer) as (agent, _):
        watch = agent.watch(told.append, log=True)
        agent.unwatch(watch)
        assert [type(each) for each in told] == [LogPage, LogPage]
