"""Whether a learner's file can be run."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runner.program import why_not
from socketlab.wire import decode, encode

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be an ordinary user: root may read any file."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


def program(folder: Path, mode: int) -> str:
    file = folder / "my_server.py"
    file.write_text("pass\n", encoding="utf-8")
    file.chmod(mode)
    return str(file)


def test_a_file_that_can_be_read(folder: Path) -> None:
    assert why_not(program(folder, 0o644)) is None


def test_a_file_that_may_not_be_read(folder: Path, request: pytest.FixtureRequest) -> None:
    path = program(folder, 0o200)
    request.getfixturevalue("nobody")

    report = why_not(path)

    assert report is not None
    assert (report.state, report.mode) == ("unreadable", "--w-------")


def test_a_file_in_a_closed_folder(folder: Path, request: pytest.FixtureRequest) -> None:
    closed = folder / "closed"
    closed.mkdir()
    path = program(closed, 0o644)
    closed.chmod(0)
    request.getfixturevalue("nobody")

    report = why_not(path)

    assert report is not None
    assert (report.state, report.mode) == ("unreadable", "?")


def test_no_file_and_no_program(folder: Path) -> None:
    missing, directory = why_not(str(folder / "none.py")), why_not(str(folder))

    assert missing is not None
    assert missing.state == "missing"
    assert directory is not None
    assert directory.state == "directory"


def test_a_name_that_is_no_utf8_crosses_the_wire(folder: Path) -> None:
    report = why_not(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.py"))

    assert report is not None
    assert decode(encode(report)) == report
