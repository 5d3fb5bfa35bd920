"""The lines between commands and a holder."""

import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Any

import pytest

from socketlab import errors
from socketlab.errors import HostError
from socketlab.holder.job import Job, read, write
from socketlab.holder.protocol import (
    About,
    Ask,
    about,
    plain,
    read_answer,
    read_ask,
    write_answer,
    write_ask,
    write_failure,
)
from socketlab.hosts.plan import HostPlan, Interface, LabPlan, NetworkPlan, Record, Way
from socketlab.wire.errors import WireError

PLAN = LabPlan(
    name="demo",
    networks=(
        NetworkPlan(name="a", subnet=IPv4Network("10.1.0.0/24"), subnet6=IPv6Network("fd00:1::/64")),
        NetworkPlan(name="b", subnet=IPv4Network("10.2.0.0/24"), subnet6=None),
    ),
    hosts=(
        HostPlan(
            name="one",
            role="names",
            interfaces=(
                Interface(
                    device="eth0",
                    network="a",
                    address=IPv4Interface("10.1.0.10/24"),
                    address6=IPv6Interface("fd00:1::10/64"),
                ),
            ),
            ways=(Way(to=IPv4Network("10.2.0.0/24"), via=IPv4Address("10.1.0.2")),),
            sysctls=(("net.ipv4.tcp_syn_retries", "2"),),
            records=(Record(name="www.lab.test", kind="A", value="10.1.0.10"),),
        ),
    ),
    nameserver=IPv4Address("10.1.0.10"),
    labels=(("course", "sockets"),),
)
ABOUT = About(
    name="demo",
    backend="namespace",
    why="so",
    pid=7,
    since=1.5,
    seconds_left=None,
    agents=("one",),
    plan=PLAN,
)


def test_a_holder_tells_all_of_its_plan() -> None:
    assert about(read_answer(write_answer(plain(ABOUT)))) == ABOUT


@pytest.mark.parametrize(
    ("member", "value"),
    [("pid", "7"), ("since", True), ("plan", None), ("more", 1), ("name", None), ("seconds_left", "x")],
)
def test_what_is_no_plan_is_refused(member: str, value: Any) -> None:
    with pytest.raises(WireError):
        about(plain(ABOUT) | {member: value})


@pytest.mark.parametrize("address", [167772161, "10.1.0.300", "", None, ["10.1.0.1"]])
def test_what_is_no_address_is_refused(address: Any) -> None:
    told = plain(ABOUT)
    told["plan"]["hosts"][0]["interfaces"][0]["address"] = address
    with pytest.raises(WireError):
        about(told)


def test_a_request_comes_as_it_left() -> None:
    ask = Ask(ask="plug", host="one", network="a", on=False)
    assert read_ask(write_ask(ask)) == ask


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b'{"v": 2, "ask": "about"}',
        b'{"v": 1, "ask": "rm"}',
        b'{"v": 1, "ask": "about", "x": 1}',
        b'{"v": 1, "ask": "act", "action": 3}',
        b"x" * 5000,
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        read_ask(line)


def test_an_error_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(HostError, match="no host 'x'") as raised:
        read_answer(write_failure(HostError("holder.host", name="demo", seen="'x'", names="one")))
    assert raised.value.code == "holder.host"


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "HostError", "code": "holder.of-the-future", "details": {}},
        {"kind": "SystemExit", "code": "holder.none", "details": {}},
        {"kind": "HostError", "code": "holder.host", "details": {}},
        {},
    ],
)
def test_an_error_that_this_version_has_no_sentence_for_is_one_of_the_wire(told: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read_answer(json.dumps({"v": 1, "failure": told}).encode())


def test_every_class_of_errors_crosses() -> None:
    for cls in errors.LabError.__subclasses__():
        if cls.__module__ == errors.__name__:
            with pytest.raises(cls):
                read_answer(write_failure(cls("holder.none")))


def test_a_job_comes_as_it_left() -> None:
    job = Job(name="demo", hosts=("a", "b"), backend="namespace", ipv6=False, seconds=2.5)
    assert read(write(job)) == job


def test_a_lab_too_large_to_be_told_is_refused() -> None:
    with pytest.raises(errors.SpecError):
        write(Job(hosts=tuple(f"host-{number}" for number in range(9999))))
