"""The log is bounded, has no gaps, and knows what it has forgotten."""

from services.agent.emulator.log import Log
from tests.unit.agent.emulator.packets import SYN, parsed, tcp, udp

PACKET = parsed(udp(b"hello"))


def test_an_entry_in_words() -> None:
    log = Log()
    log.write(5, "f1", parsed(tcp(SYN, seq=17)), 1, "delayed", 0.02)
    log.write(6, "f1", PACKET, 2, "dropped")
    first, second = log.page().entries
    assert (first.number, first.at_ns, first.lease, first.ordinal) == (1, 5, "f1", 1)
    assert first.flow == "tcp 10.0.0.2:4711 > 10.0.0.1:7000"
    assert (first.action, first.detail) == ("delayed", "0.0200 s, [S] seq 17 length 0")
    assert (second.number, second.detail) == (2, "length 5")


def test_pages() -> None:
    log = Log()
    for ordinal in range(1, 11):
        log.write(ordinal, "f1" if ordinal % 2 else "f2", PACKET, ordinal, "dropped")
    assert [entry.number for entry in log.page(after=3, most=4).entries] == [4, 5, 6, 7]
    assert [entry.number for entry in log.page(after=8).entries] == [9, 10]
    assert [entry.number for entry in log.page("f2", after=2, most=3).entries] == [4, 6, 8]
    assert log.page(after=10) == ((), 0, 10)
    assert log.page(after=99) == ((), 0, 10)
    assert log.page(most=0) == ((), 0, 10)


def test_what_is_forgotten_is_told() -> None:
    log = Log(most=4)
    for ordinal in range(1, 11):
        log.write(ordinal, "f1" if ordinal <= 3 else "f2", PACKET, ordinal, "dropped")
    page = log.page()
    assert [entry.number for entry in page.entries] == [7, 8, 9, 10]
    assert (page.missing, page.last) == (6, 10)
    assert log.page(after=4).missing == 2
    assert log.page(after=8).missing == 0
    assert log.page("f1") == ((), 3, 10)
    assert log.page("f3").missing == 0
