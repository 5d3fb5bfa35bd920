"""Outside truth: CPython's own `test.test_socket`, over sockets over there in place of `socket.socket`.

A process a class, with a time limit, on this machine's loopback. What must fail, and why, is in
`expected.toml`.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
EXPECTED: Final[dict[str, Any]] = tomllib.loads((HERE / "expected.toml").read_text(encoding="utf-8"))
LIMIT: Final = 60.0
"""Seconds that one class may take: the longest take ten, of which most is waiting."""
PASSING: Final = 0.87
"""What of the tests that pass over real sockets must pass over ours."""

if importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_socket") is None:
    pytest.skip("this Python came without its `test` package", allow_module_level=True)
if VERSION not in EXPECTED["versions"]:
    pytest.skip(f"what must fail was not yet measured with Python {VERSION}", allow_module_level=True)


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _listed(kind: str) -> dict[str, str]:
    """Tests of this version that are listed under a kind, with their reasons."""
    return {
        test: group["reason"]
        for group in EXPECTED[kind]
        if _minor(group.get("since", VERSION)) <= _minor(VERSION) <= _minor(group.get("until", VERSION))
        for test in group["tests"]
    }


FAILING: Final = _listed("failing")
EITHER: Final = _listed("either")


def run(folder: Path, class_name: str, *options: str) -> dict[str, dict[str, Any]]:
    """What became of each test of a class.

    A test that hung is the last one of its class, and its state is `started`.
    """
    program = [sys.executable, str(HERE / "one_class.py"), class_name, *options]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            program, cwd=folder, env=environ, capture_output=True, timeout=LIMIT, check=False
        )
        said, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as hung:
        said, errors, code = hung.stdout or b"", hung.stderr or b"", 0
    assert code == 0, errors.decode()[-2000:]
    lines = [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]
    return {line["id"]: line for line in lines}


def unexpected(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The tests that did what they are not expected to do."""
    found = {}
    for name, result in results.items():
        failed = result["state"] in {"failed", "started"}
        if failed and name not in FAILING and name not in EITHER:
            found[name] = f"{result['state']}: {result.get('why', 'it hung')}"
        if result["state"] == "passed" and name in FAILING:
            found[name] = f"passed, and is listed as failing ({FAILING[name]}): take it from the list"
    return found


@pytest.mark.parametrize("class_name", EXPECTED["classes"]["run"])
def test_over_there(class_name: str, tmp_path: Path) -> None:
    results = run(tmp_path, class_name, "--over-there")
    if class_name in results:
        pytest.skip(f"Python {VERSION} has no such class")
    assert results != {}
    found = unexpected(results)
    if found:
        # As regrtest, which runs what failed again: its tests meet each other's sleeps on a busy machine.
        names = [name.partition(".")[2] for name in found]
        found = unexpected(run(tmp_path, class_name, "--over-there", "--only", *names))
    assert found == {}


def test_every_class_is_listed() -> None:
    program = [sys.executable, str(HERE / "one_class.py"), "--list"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, env=environ, capture_output=True, timeout=LIMIT, check=True)
    there = set(json.loads(done.stdout)["classes"])
    assert there - set(EXPECTED["classes"]["run"]) - set(EXPECTED["classes"]["left-out"]) == set()


def test_each_reason_is_told_and_each_test_has_one() -> None:
    groups = [*EXPECTED["failing"], *EXPECTED["either"]]
    assert {group["reason"] for group in groups} == set(EXPECTED["reasons"])
    tests = [test for group in groups for test in group["tests"]]
    assert len(tests) == len(set(tests))


@pytest.mark.full
@pytest.mark.timeout(600)
def test_as_many_as_are_wanted_pass(tmp_path: Path) -> None:
    def both(class_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        folder = tmp_path / class_name
        folder.mkdir()
        return run(folder, class_name), run(folder, class_name, "--over-there")

    with ThreadPoolExecutor(max_workers=2) as workers:
        pairs = list(workers.map(both, EXPECTED["classes"]["run"]))
    results = [
        (_named(over_real, "passed"), _named(over_there, "passed"), _named(over_there, "started"))
        for over_real, over_there in pairs
    ]
    real, ours, hung = (set().union(*each) for each in zip(*results, strict=True))
    assert hung == set()
    assert len(ours & real) >= PASSING * len(real), f"{len(ours & real)} of {len(real)}"


def _named(results: dict[str, dict[str, Any]], state: str) -> set[str]:
    """The tests that ended in a state."""
    return {name for name, each in results.items() if each["state"] == state}
