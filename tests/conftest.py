"""What every test run has: a lock that says it is alive, and a label for all that it makes on the engine."""

import os
from contextlib import ExitStack

import pytest

from scripts.machine.run_lock import RUN_VARIABLE, RunLock


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # a worker of pytest-xdist: its controller holds the lock, and gave it the variable
    held = ExitStack()
    config.add_cleanup(held.close)
    os.environ[RUN_VARIABLE] = held.enter_context(RunLock()).label
