"""What `socketlab-fault` shows."""

from services.agent import listing
from services.agent.kinds import EXAMPLES
from services.messages import SENTENCES
from socketlab.wire import Drop, Kind, Lease, Match, Reject, Route

LEASES = [
    Lease(id="f1", fault=Drop(Match(port=7005, proto="tcp")), holder="standing", bitten=12),
    Lease(id="f12", fault=Route("throw", "10.0.0.0/8"), seconds_left=29.96),
]


def test_the_table_is_aligned() -> None:
    heading, first, second = listing.leases(LEASES).splitlines()
    assert first.index("drop") == second.index("route") == heading.index("what")
    assert first.index("standing") == second.index("30.0 s") == heading.index("time left")
    assert first[: first.index("  standing")].endswith("12")
    assert second[: second.index("  30.0 s")].endswith(" -")


def test_a_connected_udp_socket_is_not_told_of_every_answer() -> None:
    def shown(fault: Reject) -> str:
        return listing.applied(Lease(id="f1", fault=fault, bitten=0))

    assert "IP_RECVERR" in shown(Reject("icmp-host", Match(port=7000, proto="udp")))
    assert "IP_RECVERR" in shown(Reject("icmp6-no-route", Match()))
    assert "IP_RECVERR" not in shown(Reject("icmp-host", Match(port=7000, proto="tcp")))
    assert "IP_RECVERR" not in shown(Reject("icmp-port", Match(port=7000, proto="udp")))


def test_a_kind_that_is_missing_says_why() -> None:
    shown = listing.kinds([Kind("drop"), Kind("drop --direction out", "no queue here")])
    assert shown.count("NOT ON THIS MACHINE: no queue here") == 1


def test_every_kind_has_its_sentence() -> None:
    for code in ("en", "es"):
        told = {key for key in SENTENCES.sentences(code) if key.startswith("fault_command.kind.")}
        assert len(told) == len(EXAMPLES)
    assert listing.kinds(map(Kind, EXAMPLES)).count("\n    ") >= len(EXAMPLES)
