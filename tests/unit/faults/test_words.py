"""The words of the controller's faults: what is written reads back, and nonsense says why."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socketlab.faults.model import DNS_ANSWERS, DOINGS, Dns, HostAction, LabFault, Partition
from socketlab.faults.words import ALL_KINDS, fault_of_lab, kind_of, usage, words_of_lab
from socketlab.wire.errors import FaultError
from socketlab.wire.fault import Drop, Match

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
times = st.integers(1, 59_000).map(lambda ms: ms / 1000)
partitions = st.lists(names, min_size=2, max_size=8, unique=True).flatmap(
    lambda hosts: st.tuples(st.integers(1, len(hosts) - 1), st.booleans()).map(
        lambda cut: Partition((tuple(hosts[: cut[0]]), tuple(hosts[cut[0] :])), one_way=cut[1])
    )
)
answers = st.sampled_from([each for each in DNS_ANSWERS if each not in {"slow", "address"}])
dns = st.one_of(
    st.builds(Dns, names.map("{}.lab.test".format), answers),
    st.builds(Dns, names.map("{}.lab.test".format), st.just("slow"), times),
    st.builds(
        Dns,
        names.map("{}.lab.test".format),
        st.just("address"),
        addresses=st.lists(st.ip_addresses().map(str), min_size=1, max_size=3).map(tuple),
    ),
)
actions = st.one_of(
    st.sampled_from(
        [HostAction("pause"), HostAction("kill"), HostAction("restart"), HostAction("disconnect")]
    ),
    st.builds(HostAction, st.just("restart"), seconds=times),
    st.builds(HostAction, st.just("disconnect"), network=names),
    st.builds(HostAction, st.just("stop-process"), process=names | st.just("python3 -m services.server")),
)


@settings(deadline=None)
@given(partitions | dns | actions)
def test_a_fault_reads_back_as_it_is_written(fault: LabFault) -> None:
    assert fault_of_lab(words_of_lab(fault)) == fault


@pytest.mark.parametrize(
    ("line", "document"),
    [
        ("partition a,b / c", {"kind": "partition", "groups": [["a", "b"], ["c"]]}),
        ("partition a / c --one-way", {"kind": "partition", "groups": ["a", "c"], "one-way": True}),
        ("dns www.lab.test nxdomain", {"kind": "dns", "name": "www.lab.test", "answer": "nxdomain"}),
        ("dns www.lab.test slow 2s", {"kind": "dns", "name": "www.lab.test", "answer": "slow", "seconds": 2}),
        (
            "dns www.lab.test address 10.0.0.1 fd00::1",
            {
                "kind": "dns",
                "name": "www.lab.test",
                "answer": "address",
                "addresses": ["10.0.0.1", "fd00::1"],
            },
        ),
        ("restart 500ms", {"kind": "restart", "seconds": "500ms"}),
        ("disconnect lab", {"kind": "disconnect", "network": "lab"}),
        ("stop-process 'python3 -m x'", {"kind": "stop-process", "process": "python3 -m x"}),
        ("pause", {"kind": "pause"}),
        ("drop --port 7000", {"kind": "drop", "port": 7000}),
    ],
)
def test_a_document_says_the_same_as_words(line: str, document: dict[str, Any]) -> None:
    assert fault_of_lab(line) == fault_of_lab(document)


def test_groups_need_no_spaces() -> None:
    assert fault_of_lab(["partition", "a,b/c"]) == fault_of_lab("partition a b / c")


def test_faults_of_one_host_are_the_wires() -> None:
    assert fault_of_lab("drop --port 7000") == Drop(Match(port=7000))
    assert words_of_lab(Drop(Match(port=7000))) == "drop --port 7000"


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ("", "words-kind-missing"),
        ("paus", "words-kind-near"),
        ("zebra", "words-kind"),
        ("pause now", "words-extra"),
        ("pause --now", "words-option"),
        ("restart 1s 2s", "words-extra"),
        ("restart soon", "words-value"),
        ("stop-process", "words-missing"),
        ("partition a", "fault-lab.groups"),
        ("partition a / a", "fault-lab.group-twice"),
        ("partition a / b --oneway", "words-option"),
        ("dns www.lab.test", "words-missing"),
        ("dns www.lab.test slow", "words-missing"),
        ("dns www.lab.test nothing", "fault-lab.dns-answer"),
        ("dns www.lab.test nxdomain 10.0.0.1", "words-extra"),
        ({"seconds": 1}, "words-kind-missing"),
        ({"kind": "restart", "secons": 1}, "words-member-near"),
        ({"kind": "pause", "seconds": 1}, "words-member"),
        ({"kind": "partition"}, "words-member-missing"),
        ({"kind": "partition", "groups": "a / b"}, "words-value"),
        ({"kind": "dns", "name": 7, "answer": "nxdomain"}, "words-value"),
    ],
)
def test_nonsense_says_why(given_: Any, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        fault_of_lab(given_)
    assert caught.value.code == code
    assert str(caught.value)


def test_every_kind_has_a_usage_line() -> None:
    for kind in ALL_KINDS:
        assert usage(kind).split()[0] == kind
    assert {kind_of(HostAction(do, process="x" if do == "stop-process" else None)) for do in DOINGS} == set(
        DOINGS
    )
