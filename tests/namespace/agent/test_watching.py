"""A controller that watches is told of faults, the log and held packets as it happens."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from services.agent.watching import MOST_WATCHES
from socketlab.wire import (
    Add,
    Advance,
    Applied,
    Delay,
    Drop,
    Heal,
    Held,
    HeldPackets,
    Hold,
    Leases,
    List,
    Log,
    LogPage,
    Loss,
    Unwatch,
    Watch,
    Watching,
    Which,
)
from tests.namespace.agent.controller import Controller, controlling
from tests.namespace.agent.lab import CLIENT, PORT, SECONDS, SERVER, Agent, Lab, match


@pytest.fixture
def controller(agent: Agent) -> Iterator[Controller]:
    with controlling(agent.folder) as made:
        yield made


def _datagrams(lab: Lab, count: int, port: int = PORT) -> None:
    with lab.client.open("ipv4", socket.SOCK_DGRAM) as sending:
        for number in range(count):
            sending.sendto(b"%d" % number, (SERVER["ipv4"], port))


def test_faults_that_come_go_and_bite(lab: Lab, agent: Agent, controller: Controller) -> None:
    watch = controller.ask(Watch, leases=True).id
    assert controller.wait_for(Leases).leases == ()
    lease = agent.add(Drop(match("ipv4", proto="udp")))
    told = controller.wait_for(Leases, lambda each: each.leases != ())
    assert told.id == watch
    assert [each.id for each in told.leases] == [lease.id]
    _datagrams(lab, 3)
    controller.wait_for(Leases, lambda each: each.leases[0].bitten == 3)
    agent.heal()
    controller.wait_for(Leases, lambda each: each.leases == ())
    controller.unwatch(watch)


def test_counters_that_stand_still_are_told_once(lab: Lab, agent: Agent, controller: Controller) -> None:
    agent.add(Drop(match("ipv4", proto="udp")))
    watch = controller.ask(Watch, leases=True).id
    controller.wait_for(Leases)
    _datagrams(lab, 1)
    controller.wait_for(Leases, lambda each: each.leases[0].bitten == 1)
    controller.socket.settimeout(1.2)  # longer than it takes to look twice
    with pytest.raises(TimeoutError):
        controller.next()
    del watch


def test_the_log_without_a_gap(lab: Lab, controller: Controller) -> None:
    lease = controller.ask(Add, fault=Loss(1.0, match("ipv4", proto="udp")), holder="client").lease
    before = controller.ask(Watch, log=True).id
    _datagrams(lab, 700)
    told = [each for each in controller.unwatch(before) if isinstance(each, LogPage)]
    entries = [entry for each in told for entry in each.entries]
    assert [entry.number for entry in entries] == list(range(1, 701))
    assert {(entry.lease, entry.action) for entry in entries} == {(lease.id, "dropped")}
    assert [entry.ordinal for entry in entries] == list(range(1, 701))
    assert sum(each.missing for each in told) == 0
    page = controller.ask(Log, lease=lease.id, after=690)
    assert [entry.number for entry in page.entries] == list(range(691, 701))
    assert (page.last, page.missing) == (700, 0)
    assert len(controller.ask(Log, most=10**6).entries) == 500


def test_a_watch_begins_with_what_is_to_come(lab: Lab, controller: Controller) -> None:
    controller.ask(Add, fault=Loss(1.0, match("ipv4", proto="udp")), holder="client")
    _datagrams(lab, 5)
    while controller.ask(Log).last < 5:
        pass
    watch = controller.ask(Watch, log=True).id
    _datagrams(lab, 2)
    entries = [
        entry.number
        for each in controller.unwatch(watch)
        if isinstance(each, LogPage)
        for entry in each.entries
    ]
    assert entries == [6, 7]


def test_single_stepping_a_handshake(lab: Lab, controller: Controller) -> None:
    hold = Hold(match("ipv4", which=Which(first=1)))
    assert isinstance(controller.ask(Add, fault=hold, holder="client"), Applied)
    watch = controller.ask(Watch, held=True).id
    gave: list[str] = []
    connecting = threading.Thread(target=lambda: gave.append(lab.connect("ipv4", timeout=SECONDS)))
    connecting.start()
    held = controller.wait_for(HeldPackets, lambda each: each.packets != ()).packets[0]
    assert "[S]" in held.summary
    assert held.flow.endswith(f"{SERVER['ipv4']}:{PORT}")
    assert CLIENT["ipv4"] in held.flow
    assert controller.ask(Held).packets[0].number == held.number
    assert controller.ask(Advance, packet=held.number).packets == ()
    connecting.join(SECONDS)
    assert gave == ["connected"]
    assert controller.wait_for(HeldPackets, lambda each: each.packets == ()).id == watch


def test_unwatch_is_the_last_word(lab: Lab, controller: Controller) -> None:
    controller.ask(Add, fault=Loss(1.0, match("ipv4", proto="udp")), holder="client")
    watch = controller.ask(Watch, leases=True, log=True, held=True, capture=True).id
    _datagrams(lab, 3)
    controller.unwatch(watch)
    _datagrams(lab, 3)
    while controller.ask(Log).last < 6:
        pass
    assert controller.told == []
    assert controller.failure(Unwatch, watch) == "agent.unknown-watch"
    assert isinstance(controller.ask(Watch, leases=True), Watching)


def test_bounds(controller: Controller) -> None:
    for _ in range(MOST_WATCHES):
        controller.ask(Watch, log=True)
    assert controller.failure(Watch, log=True) == "agent.watches"
    assert controller.ask(List).leases == ()


def test_who_watches_and_does_not_read_holds_up_nobody(
    lab: Lab, agent: Agent, controller: Controller
) -> None:
    """Its news is kept short: the log's pages wait in the log, all else is told as it is when it reads."""
    for _ in range(MOST_WATCHES):
        controller.ask(Watch, leases=True, log=True, held=True, capture=True)
    delayed = agent.add(Delay(0.005, match("ipv4", proto="udp")))
    with controlling(agent.folder) as other:
        for _ in range(50):
            lease = other.ask(Add, fault=Drop(match("ipv6"))).lease
            _datagrams(lab, 100)
            asked = time.monotonic()
            other.ask(Heal, lease=lease.id)
            assert time.monotonic() - asked < 2
        assert [lease.id for lease in other.ask(List).leases] == [delayed.id]
    assert lab.deliver("ipv4") == "delivered"
