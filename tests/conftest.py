"""What every test run has: a lock that says it is alive, and a label for all that it makes on the engine.

Tests that take long have the mark `full`. They are left out, and the end of the run says so, unless it is
asked for them with --full.
"""

import os
from contextlib import ExitStack
from typing import Any

import pytest

from scripts.machine.run_lock import RUN_VARIABLE, RunLock

_FULL = "--full"
_left_out: dict[str, int] = {}
"""How many tests each worker has left out, which are the same; without workers, how many this process has."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_FULL, action="store_true", help="run the tests that take long, too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"full: takes long; runs with {_FULL}")
    if hasattr(config, "workerinput"):
        return  # a worker of pytest-xdist: its controller holds the lock, and gave it the variable
    held = ExitStack()
    config.add_cleanup(held.close)
    os.environ[RUN_VARIABLE] = held.enter_context(RunLock()).label


@pytest.hookimpl(trylast=True)  # what -m or -k leaves out is not ours to tell
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption(_FULL):
        return
    long = [item for item in items if item.get_closest_marker("full")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    _left_out["here"] = len(long)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = _left_out.get("here", 0)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node: Any) -> None:
    _left_out[node.gateway.id] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if most := max(_left_out.values(), default=0):
        terminalreporter.write_line(f"{most} tests take long and were left out: {_FULL} runs them")
