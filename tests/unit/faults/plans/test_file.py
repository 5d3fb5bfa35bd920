"""Plans as YAML: what a file means, and each mistake with its line and column."""

import json
from pathlib import Path

import pytest

from socketlab.errors import SpecError
from socketlab.faults.model import HostAction, Partition
from socketlab.faults.plans import file
from socketlab.faults.plans.model import ExpectStep, FaultStep, Plan, Ramp, Repeat
from socketlab.faults.words import ALL_KINDS
from socketlab.hosts import file as lab_file
from socketlab.wire.fault import Delay, Drop, Match

ROOT = Path(__file__).parents[4]
PLANS = sorted((ROOT / "examples" / "plans").glob("*.yaml"))


def test_all_that_a_file_may_say() -> None:
    plan = file.parse(
        "outage.yaml",
        b"""\
name: outage
title: All of it
for: 20s
lab: {name: demo, hosts: {client: {}, server: {serve: {port: 7000}}}}
steps:
  - at: 1s
    on: server
    fault: drop --peer client --port 7000 --proto tcp
    for: 500ms
    repeat: {count: 3, every: 2}
  - at: 1.5
    on: server
    fault: {kind: delay, seconds: 10ms, peer: client}
    for: 2s
    ramp: {member: seconds, from: 10ms, to: 0.1, steps: 4}
    verify: false
  - {at: 3, fault: partition client / server}
  - {at: 3, on: client, fault: {kind: pause}}
  - {at: 0, expect: client tcp server:7000 -> echo}
  - {at: 0, expect: [client tcp server:7000 -> echo, client udp server:7000 -> silence 1s]}
probes: [client tcp server:7000 every 500ms]
""",
    )
    first, second, third, fourth, fifth, sixth = plan.steps
    assert first == FaultStep(
        at=1,
        on="server",
        fault=Drop(Match(peer="client", port=7000, proto="tcp")),
        seconds=0.5,
        repeat=Repeat(3, 2),
    )
    assert second == FaultStep(
        at=1.5,
        on="server",
        fault=Delay(0.01, Match(peer="client")),
        seconds=2,
        ramp=Ramp("seconds", 0.01, 0.1, 4),
        verify=False,
    )
    assert third == FaultStep(at=3, fault=Partition((("client",), ("server",))))
    assert fourth == FaultStep(at=3, on="client", fault=HostAction("pause"))
    assert isinstance(fifth, ExpectStep)
    assert isinstance(sixth, ExpectStep)
    assert len(sixth.expectations) == 2
    assert (plan.name, plan.title, plan.seconds, len(plan.probes)) == ("outage", "All of it", 20.0, 1)
    assert plan.lab is not None
    assert [host.name for host in plan.lab.spec.hosts] == ["client", "server"]
    assert plan.lab.services == {"server": [{"port": 7000}]}


def test_a_lab_of_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("hosts: [a, b]\n", encoding="utf-8")
    plan = tmp_path / "plan.yaml"
    plan.write_text("lab: lab.yaml\nsteps: [{at: 0, expect: a tcp b:1 -> ECONNREFUSED}]\n", encoding="utf-8")
    found = Plan.from_file(plan).lab
    assert found is not None
    assert [host.name for host in found.spec.hosts] == ["a", "b"]


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_the_examples_are_plans(path: Path) -> None:
    plan = Plan.from_file(path)
    assert plan.lab is not None
    assert plan.title
    known = {host.name for host in plan.lab.spec.hosts}
    assert set(plan.hosts) <= known


def test_there_is_an_example_for_each_trouble_of_the_manual() -> None:
    assert {path.stem for path in PLANS} >= {
        "cascading_timeout",
        "firewall_drop",
        "flaky_wifi",
        "rolling_restart",
        "slow_loris",
        "split_brain",
    }


STEP = b"steps:\n  - "
MISTAKES: list[tuple[bytes, str, str]] = [
    (b"", "plan.empty", "x.yaml"),
    (b"steps: []\n", "file.nothing", "x.yaml:1:8"),
    (b"name: x\n", "file.meaning", "x.yaml:1:1"),
    (b"probes: [a tcp b:1]\n", "file.meaning", "x.yaml:1:1"),
    (b"stpes: []\n", "file.unknown-alike", "x.yaml:1:1"),
    (STEP + b"{on: a, fault: drop}\n", "file.missing", "x.yaml:2:5"),
    (STEP + b"{at: soon, on: a, fault: drop}\n", "file.meaning", "x.yaml:2:6"),
    (STEP + b"{at: -1, on: a, fault: drop}\n", "file.range", "x.yaml:2:10"),
    (STEP + b"{at: 0, on: a, fault: dropp}\n", "file.meaning", "x.yaml:2:20"),
    (STEP + b"{at: 0, on: a, fault: {kind: dropp}}\n", "file.choice", "x.yaml:2:34"),
    (STEP + b"{at: 0, on: a, fault: {kind: delay}}\n", "file.meaning", "x.yaml:2:20"),
    (STEP + b"{at: 0, on: a, fault: {kind: drop, prot: tcp}}\n", "file.meaning", "x.yaml:2:20"),
    (STEP + b"{at: 0, fault: drop}\n", "file.meaning", "x.yaml:2:5"),
    (STEP + b"{at: 0, on: a, fault: partition a / b}\n", "file.meaning", "x.yaml:2:5"),
    (STEP + b"{at: 0, on: a}\n", "file.meaning", "x.yaml:2:5"),
    (STEP + b"{at: 0, on: a, fault: drop, expect: a tcp b:1 -> echo}\n", "file.meaning", "x.yaml:2:5"),
    (STEP + b"{at: 0, on: a, expect: a tcp b:1 -> echo}\n", "file.meaning", "x.yaml:2:13"),
    (STEP + b"{at: 0, expect: a tcp b -> echo}\n", "file.meaning", "x.yaml:2:13"),
    (STEP + b"{at: 0, expect: [a tcp b:1 -> echo, nonsense]}\n", "file.meaning", "x.yaml:2:41"),
    (STEP + b"{at: 0, on: a, fault: drop, repeat: {count: 2, every: 1}}\n", "file.meaning", "x.yaml:2:5"),
    (
        STEP + b"{at: 0, on: a, fault: drop, for: 2, repeat: {count: 2, every: 1}}\n",
        "file.meaning",
        "x.yaml:2:5",
    ),
    (
        STEP + b"{at: 0, on: a, fault: drop, for: 2, ramp: {member: seconds, from: 1, to: 2}}\n",
        "file.meaning",
        "x.yaml:2:5",
    ),
    (
        STEP + b"{at: 0, on: a, fault: loss 1%, for: 2, ramp: {member: probability, from: 1%, to: 200%}}\n",
        "file.meaning",
        "x.yaml:2:5",
    ),
    (
        b"lab: {hosts: {a: {address: 10.0.0}}}\n" + STEP + b"{at: 0, on: a, fault: drop}\n",
        "file.meaning",
        "x.yaml:1:19",
    ),
    (
        b"lab: {hosts: {a: {adress: 1}}}\n" + STEP + b"{at: 0, on: a, fault: drop}\n",
        "file.unknown-alike",
        "x.yaml:1:19",
    ),
    (b"---\nsteps: 1\n---\n", "plan.documents", "x.yaml:3:1"),
]


@pytest.mark.parametrize(("text", "code", "at"), MISTAKES)
def test_a_mistake_is_told_with_its_place(text: bytes, code: str, at: str) -> None:
    with pytest.raises(SpecError) as caught:
        file.parse("x.yaml", text)
    assert (caught.value.code, caught.value.details["at"]) == (code, at)
    assert str(caught.value).startswith(at)


def test_a_python_file_is_run_by_python(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        file.read(tmp_path / "plan.py")
    assert caught.value.code == "plan.python"
    with pytest.raises(SpecError) as caught:
        file.read(tmp_path / "none.yaml")
    assert caught.value.code == "file.open"


def test_the_schema_has_every_kind_and_the_same_lab_as_labs_have() -> None:
    schema = json.loads(file.SCHEMA.read_text(encoding="utf-8"))
    labs = json.loads(lab_file.SCHEMA.read_text(encoding="utf-8"))
    assert tuple(schema["$defs"]["fault"]["properties"]["kind"]["enum"]) == ALL_KINDS
    assert schema["$defs"]["lab"]["properties"] == labs["properties"]
    assert {name: schema["$defs"][name] for name in labs["$defs"]} == labs["$defs"]
