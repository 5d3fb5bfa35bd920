"""Faults of a lab: what makes no sense is refused when it is made, and the sentence says why."""

from collections.abc import Callable

import pytest

from socketlab.faults import (
    disconnect,
    dns,
    drop,
    every,
    first,
    kill,
    partition,
    pause,
    restart,
    stop_process,
)
from socketlab.faults.model import Dns, HostAction, Partition
from socketlab.wire.errors import FaultError
from socketlab.wire.match import Which


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: partition(["a", "b"]), "at least two groups"),
        (lambda: partition(["a"], []), "at least two groups"),
        (lambda: partition(["a", "b"], ["c", "a"]), "'a' stands twice"),
        (lambda: dns("two words"), "a name like www.lab.test"),
        (lambda: dns("."), "a name like"),
        (lambda: dns("x" * 64 + ".test"), "a name like"),
        (lambda: Dns("www.lab.test", "nobody"), "expected one of nxdomain"),  # type: ignore[arg-type]
        (lambda: dns("www.lab.test", "slow"), "seconds go with the answer slow"),
        (lambda: dns("www.lab.test", "nxdomain", seconds=1), "seconds go with the answer slow"),
        (lambda: dns("www.lab.test", "slow", seconds=float("nan")), "seconds is a time"),
        (lambda: dns("www.lab.test", "slow", seconds=61), "at most 60 s"),
        (lambda: dns("www.lab.test", "address"), "addresses go with the answer address"),
        (lambda: dns("www.lab.test", "refused", "10.0.0.1"), "addresses go with the answer address"),
        (lambda: dns("www.lab.test", "address", "10.0.0.300"), "expected an IPv4 or IPv6 address"),
        (lambda: HostAction("explode"), "expected one of pause"),  # type: ignore[arg-type]
        (lambda: HostAction("stop-process"), "needs a part of the process's command line"),
        (lambda: HostAction("pause", process="x"), "stop-process, and nothing else"),
        (lambda: stop_process(""), "process is 1 to 200"),
        (lambda: HostAction("kill", network="lab"), "only disconnect is of a network"),
        (lambda: HostAction("kill", seconds=1), "only restart takes seconds"),
        (lambda: restart(float("inf")), "seconds is a time"),
    ],
)
def test_nonsense_is_refused_and_says_why(make: Callable[[], object], said: str) -> None:
    with pytest.raises(FaultError) as error:
        make()
    assert said in str(error.value)


def test_a_partition_says_who_cannot_hear_whom() -> None:
    both = partition(["a", "b"], ["c"], ["d"])
    assert dict(both.deaf()) == {"a": ("c", "d"), "b": ("c", "d"), "c": ("a", "b", "d"), "d": ("a", "b", "c")}
    assert str(both) == "a,b / c / d"


def test_one_way_only_later_groups_are_deaf() -> None:
    assert dict(partition(["a", "b"], ["c"], one_way=True).deaf()) == {"c": ("a", "b")}


def test_a_name_is_plain_and_faults_compare_by_value() -> None:
    assert dns("WWW.Lab.Test.") == dns("www.lab.test")
    assert partition(["a"], ["b"]) == Partition((("a",), ("b",)))
    assert pause() == HostAction("pause")
    assert {kill(), kill(), disconnect("lab"), disconnect()} == {kill(), disconnect("lab"), disconnect()}


def test_functions_take_the_words_of_a_match() -> None:
    fault = drop(peer="client", port="7000-7009", flags="syn", payload="x", which=every(3) & first(9))
    assert fault.match.proto == "tcp"
    assert fault.match.flags == "SYN"
    assert fault.match.payload == b"x"
    assert fault.match.which == Which(every=3, first=9)
    with pytest.raises(TypeError):
        drop(prot="tcp")  # type: ignore[call-arg]
