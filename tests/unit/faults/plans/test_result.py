"""What came of a plan: the verdict, JSON as its schema says, and XML that a reader of XML can read."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socketlab.faults.plans.file import RESULT_SCHEMA
from socketlab.faults.plans.junit import as_junit
from socketlab.faults.plans.result import Checked, FaultRun, Probed, Result


def result(**members: Any) -> Result:
    return Result(plan="outage", lab="demo", backend="namespace", **members)


BITTEN = FaultRun(step=1, on="server", fault="drop", planned=0, began=0.1, ended=1.0, bitten=3)
FAILED = FaultRun(step=1, on="server", fault="drop", planned=0, problem="it does not bite")
LACKING = FaultRun(step=1, on="server", fault="drop", planned=0, problem="no nf_tables", lacking=True)
FINE = Checked(step=2, expected="a tcp b:1 -> echo", planned=0, began=0, seen="echo", seconds=0.1, ok=True)
OTHER = Checked(step=2, expected="a tcp b:1 -> echo", planned=0, began=0, seen="closed", why="saw closed")


@pytest.mark.parametrize(
    ("made", "verdict", "status"),
    [
        (result(faults=[BITTEN], checks=[FINE]), "as documented", 0),
        (result(faults=[BITTEN]), "as documented", 0),
        (result(faults=[FAILED], checks=[FINE]), "differs", 1),
        (result(faults=[BITTEN], checks=[FINE, OTHER]), "differs", 1),
        (result(faults=[LACKING], checks=[OTHER]), "differs", 4),
        (result(), "nothing ran", 3),
        (result(faults=[FAILED], interrupted=True), "interrupted", 130),
    ],
)
def test_the_verdict_and_its_status(made: Result, verdict: str, status: int) -> None:
    assert (made.verdict, made.exit_status, bool(made)) == (verdict, status, verdict == "as documented")


def test_what_differs_is_told() -> None:
    told = str(result(faults=[FAILED], checks=[OTHER]))
    assert "it does not bite" in told
    assert "a tcp b:1 -> echo: saw closed" in told


def test_a_probe_is_told_by_its_changes() -> None:
    probed = Probed(probe="a tcp b:1")
    for at, outcome in enumerate(("echo", "echo", "timeout", "echo")):
        probed.add(at, outcome, at / 10)
    told = [(each.at, each.outcome, each.count, each.longest) for each in probed.changes]
    assert told == [(0, "echo", 2, 0.1), (2, "timeout", 1, 0.2), (3, "echo", 1, 0.3)]


def holds(value: object, schema: dict[str, Any]) -> bool:
    """As much of JSON Schema as ours uses."""
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    wanted = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if "object" in wanted:
        assert isinstance(value, dict)
        assert set(schema["required"]) <= value.keys()
        assert value.keys() <= schema["properties"].keys()
        return all(holds(each, schema["properties"][name]) for name, each in value.items())
    if "array" in wanted:
        assert isinstance(value, list)
        return all(holds(each, schema["items"]) for each in value)
    is_bool = isinstance(value, bool)
    return any(isinstance(value, kinds[kind]) and is_bool == (kind == "boolean") for kind in wanted)


def test_the_json_is_what_its_schema_says() -> None:
    probed = Probed(probe="a tcp b:1")
    probed.add(0.0, "echo", 0.1)
    made = result(faults=[BITTEN, FAILED], checks=[FINE, OTHER], probes=[probed])
    schema = json.loads(RESULT_SCHEMA.read_text(encoding="utf-8"))
    assert holds(json.loads(json.dumps(made.as_json())), schema)


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text())
def test_any_text_makes_xml_that_can_be_read(problem: str, name: str) -> None:
    made = result(
        faults=[FaultRun(step=1, on=name or None, fault=name, planned=0, problem=problem or None)],
        checks=[OTHER],
    )
    suite = ET.fromstring(as_junit(made)).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    failed = sum(case.find("failure") is not None for case in suite.iter("testcase"))
    assert (suite.get("tests"), suite.get("failures")) == ("2", str(1 + bool(problem)))
    assert failed == 1 + bool(problem)
