"""Steps that undo: done by whoever reads them, harmless where there is nothing left."""

from errno import ESRCH
from ipaddress import ip_network
from pathlib import Path

import pytest

from services.agent.journal import Journal
from services.agent.leftovers import undo
from services.agent.undo import Netlink, Restore, Undone, perform, undoing
from services.netlink import nftables
from services.netlink.connection import NETFILTER, ROUTE
from services.netlink.message import Request
from services.netlink.route import MAIN_TABLE, THROW, Entry, delete_route
from tests.namespace.agent.lab import Host

_RULES = "*filter\n:SL_f1 - [0:0]\n-A SL_f1 -j DROP\n-I INPUT -j SL_f1\nCOMMIT\n"
_NO_RULES = "*filter\n-D INPUT -j SL_f1\n-F SL_f1\n-X SL_f1\nCOMMIT\n"


def step(network: str) -> Netlink:
    return undoing(ROUTE, delete_route(Entry(ip_network(network), THROW, 213, 0, MAIN_TABLE)), ESRCH)


def routes(host: Host) -> str:
    return host.run("ip", "route", "show")


def add_route(host: Host, network: str) -> None:
    host.run("ip", "route", "add", "throw", network, "proto", "213")


def test_a_message_is_sent_once_more_without_harm(host: Host) -> None:
    add_route(host, "10.9.0.0/16")
    with host.inside():
        assert perform([step("10.9.0.0/16")]) == Undone(("RTM_DELROUTE",), ())
        assert perform([step("10.9.0.0/16")]) == Undone((), ())
    assert routes(host) == ""


def test_a_table_is_deleted(host: Host) -> None:
    host.run("nft", "add", "table", "inet", "socketlab")
    gone = undoing(NETFILTER, nftables.delete_table("socketlab"), 2)
    with host.inside():
        assert perform([gone]).done == ("NFT_MSG_DELTABLE",)
        assert perform([gone]) == Undone((), ())
    assert host.run("nft", "list", "ruleset") == ""


def test_rules_of_iptables_are_restored(host: Host, tmp_path: Path) -> None:
    restore = Restore(
        ("iptables-legacy-restore", "-w", "--noflush"), _NO_RULES, (f"XTABLES_LOCKFILE={tmp_path / 'lock'}",)
    )
    with host.inside():
        assert perform([Restore(restore.command, _RULES)]).failed == ()
        assert "SL_f1" in host.run("iptables-legacy-save")
        assert perform([restore]) == Undone(("iptables-legacy-restore",), ())
    assert "SL_f1" not in host.run("iptables-legacy-save")
    assert (tmp_path / "lock").exists()


def test_what_fails_stops_nothing_else(host: Host) -> None:
    add_route(host, "10.9.0.0/16")
    nonsense = undoing(ROUTE, Request("RTM_DELROUTE", 25, 5, b"\xff" * 12), ESRCH)
    missing = Restore(("no-such-program",), "")
    wrong = Restore(("iptables-legacy-restore", "-w"), "nonsense\n")
    with host.inside():
        undone = perform([nonsense, missing, wrong, step("10.9.0.0/16")])
    assert undone.done == ("RTM_DELROUTE",)
    assert [error.code for error in undone.failed] == ["netlink.refused", "agent.restore", "agent.restore"]
    assert "no-such-program" in str(undone.failed[1])
    assert routes(host) == ""


def test_a_journal_is_undone_where_it_was_written(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with host.inside():
        journal = Journal(tmp_path)
        for number in (1, 2):
            journal.intend(f"f{number}", (step(f"10.{number}.0.0/16"),))
            add_route(host, f"10.{number}.0.0/16")
        journal.settle("f1")
        undo(journal)
    assert routes(host).split() == ["throw", "10.1.0.0/16", "proto", "213"]
    assert "f2 undone: RTM_DELROUTE" in capsys.readouterr().err
