"""`socketlab plan`: the examples do what they say; Ctrl-C heals; what differs is told in every form."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from socketlab.faults.plans.model import Plan
from socketlab.faults.plans.schedule import length
from socketlab.hosts.lab import Lab
from tests.namespace.cli.command import ROOT, SECONDS, Command

EXAMPLES = ROOT / "examples" / "plans"
PLANS = sorted(EXAMPLES.glob("*.yaml"))
WRONG = """\
lab: {hosts: {client: {}, server: {serve: {style: threaded, protocol: echo, port: 7000}}}}
steps:
  - {at: 0, expect: client tcp server:7000 -> ECONNREFUSED within 1s}
  - {at: 0, expect: client tcp server:7000 -> echo}
  - {at: 0, on: server, fault: reject tcp-reset --port 7000 --proto tcp, for: 200ms}
  - {at: 100ms, expect: client tcp server:7000 -> echo}
"""
LONG = """\
lab: {hosts: [client, server]}
steps:
  - {at: 0, on: server, fault: drop --peer client, for: 60s}
  - {at: 60s, expect: client tcp server:7000 -> ECONNREFUSED}
probes: [client tcp server:7000 every 100ms within 30s]
"""


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_worked_plans_do_what_they_say(usable: None, path: Path) -> None:
    del usable
    plan = Plan.from_file(path)
    assert plan.lab is not None
    with Lab(plan.lab.spec, "namespace", plan.lab.services) as lab:
        result = plan.run(lab)
        assert result.ok, result
        assert lab.faults.list() == ()
    assert result.seconds >= length(plan)
    assert all(each.began is not None and each.ended is not None for each in result.faults)
    assert any(each.verified for each in result.faults)


def test_the_plan_in_python_does_what_it_says(usable: None) -> None:
    del usable
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "flapping_link.py")],
        env={**os.environ, "SOCKETLAB_BACKEND": "namespace", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "x silence" in done.stdout
    assert "x echo" in done.stdout


def test_what_differs_is_told_in_every_form(command: Command, tmp_path: Path) -> None:
    plan, result, junit = tmp_path / "wrong.yaml", tmp_path / "result.json", tmp_path / "result.xml"
    plan.write_text(WRONG, encoding="utf-8")
    packets = tmp_path / "packets"
    done = command.run(
        "plan", "run", str(plan), "--json", str(result), "--junit", str(junit), "--pcap", str(packets)
    )
    assert done.returncode == 1, done.stderr.decode()
    table = done.stdout.decode()
    assert table.count("DIFFERS") == 2
    assert "saw ECONNREFUSED (connect" in done.stderr.decode()
    told = json.loads(result.read_text(encoding="utf-8"))
    assert (told["version"], told["verdict"]) == (1, "differs")
    checks = told["checks"]
    assert (
        sorted((each["step"], each["seen"], each["ok"]) for each in checks)
        == [
            (1, "ECONNREFUSED", True),
            (2, "ECONNREFUSED", False),
            (4, "ECONNREFUSED", False),
        ]
        or checks == []
    )
    suite = ET.parse(junit).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    assert list(packets.glob("*.pcapng"))


def test_a_plan_runs_on_a_lab_that_runs_and_leaves_it(command: Command, tmp_path: Path) -> None:
    command.well("up", "demo")
    plan = tmp_path / "outage.yaml"
    plan.write_text(
        "steps:\n"
        "  - {at: 0, on: server, fault: reject icmp-host --proto tcp --family ipv4, for: 200ms}\n"
        "  - {at: 0, expect: client tcp server:7000 -> EHOSTUNREACH}\n"
        "  - {at: 300ms, expect: client tcp server:7000 -> ECONNREFUSED}\n",
        encoding="utf-8",
    )
    command.well("plan", "run", str(plan), "--lab", "demo")
    assert command.json("fault", "list")["leases"] == []
    assert command.json("status")["labs"][0]["hosts"][0]["state"] == "running"
    done = command.run("plan", "run", str(plan))
    assert done.returncode == 2
    assert b"names no lab" in done.stderr
    plan.write_text("steps: [{at: 0, expect: clint tcp server:7000 -> echo}]\n", encoding="utf-8")
    done = command.run("plan", "run", str(plan), "--lab", "demo")
    assert done.returncode == 2
    assert b"clint" in done.stderr


@pytest.mark.parametrize("held", [False, True], ids=["own lab", "held lab"])
def test_ctrl_c_heals_and_says_what_there_is(
    command: Command,
    tmp_path: Path,
    held: bool,  # noqa: FBT001
) -> None:
    plan, result = tmp_path / "long.yaml", tmp_path / "result.json"
    plan.write_text(LONG, encoding="utf-8")
    words = ["plan", "run", str(plan), "--json", str(result)]
    if held:
        command.well("up", "demo")
        words += ["--lab", "demo"]
    process = command.start(*words, start_new_session=True)
    assert process.stderr is not None
    said = b""
    while b"drop --peer client" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, (said + rest).decode()
    assert b"Traceback" not in rest
    told = json.loads(result.read_text(encoding="utf-8"))
    assert (told["verdict"], told["missed"]) == ("interrupted", 2)
    assert told["faults"][0]["ended"] is not None
    if held:
        shown = command.json("status")["labs"][0]["hosts"]
        assert [each["faults"] for each in shown] == [[], []]


def test_a_plan_is_read_without_being_run(command: Command) -> None:
    told = command.json("plan", "check", str(EXAMPLES / "split_brain.yaml"))
    assert [each["event"] for each in told["events"]].count("begin") == 2
    shown = command.well("plan", "check", str(EXAMPLES / "flaky_wifi.yaml"))
    assert "A laptop whose radio comes and goes" in shown
    assert "laptop tcp server:7000 every 500ms within 2s" in shown
    assert json.loads(command.well("plan", "schema", "--result"))["title"]


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(
    command: Command, tmp_path: Path
) -> None:
    plan = EXAMPLES / "split_brain.yaml"
    done = command.run("plan", "run", str(plan), "--json", str(tmp_path / "none" / "x.json"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"opening" not in done.stderr
