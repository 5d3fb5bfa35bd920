import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.namespace import probe
from tests.namespace.nursery.talking import ROOT


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with the reason, where hosts cannot be made of namespaces."""
    found = probe()
    if not found.usable:
        pytest.skip(found.why)


@pytest.fixture(scope="module")
def shared(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    """Two hosts for tests that leave them as they were."""
    with lab("shared", backend="namespace") as made:
        yield made


@pytest.fixture
def demo(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    """Two hosts for one test."""
    with lab("demo", backend="namespace") as made:
        yield made


@pytest.fixture
def plain_code() -> Iterator[Path]:
    """A copy of our code that anybody may read."""
    with tempfile.TemporaryDirectory(prefix="socketlab-test-") as folder:
        Path(folder).chmod(0o755)
        for package in ("services", "socketlab"):
            shutil.copytree(
                ROOT / package, Path(folder, package), ignore=shutil.ignore_patterns("__pycache__")
            )
        yield Path(folder)
