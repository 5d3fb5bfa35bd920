import subprocess
import sys
from itertools import pairwise

import pytest

from scripts.machine import ROOT
from scripts.machine.lab import tour_command
from scripts.machine.process import foreground

FOREGROUND = "import sys; from scripts.machine.process import foreground; sys.exit(foreground(sys.argv[1:]))"


def variables(command: list[str]) -> dict[str, str]:
    passed = [word for before, word in pairwise(command) if before == "-e"]
    return dict(word.split("=", 1) for word in passed)


@pytest.mark.parametrize(
    ("environ", "passed"),
    [
        ({}, {"LANG": "C"}),
        ({"LANG": "es_ES.UTF-8", "HOME": "/"}, {"LANG": "es_ES.UTF-8"}),
        ({"LANG": "es_ES.UTF-8", "LC_ALL": "C", "LC_CTYPE": ""}, {"LANG": "es_ES.UTF-8", "LC_ALL": "C"}),
    ],
)
def test_the_tour_speaks_the_callers_language(environ: dict[str, str], passed: dict[str, str]) -> None:
    assert variables(tour_command(environ, columns=None, terminal=False)) == passed | {"COLUMNS": "80"}


@pytest.mark.parametrize("terminal", [True, False])
def test_the_tour_has_a_terminal_where_we_have_one(terminal: bool) -> None:  # noqa: FBT001 - a parameter of the test
    command = tour_command({}, columns=72, terminal=terminal)
    assert variables(command)["COLUMNS"] == "72"
    assert ("-T" in command) is not terminal
    assert command[-5:] == ["client", "python3", "-m", "services.client", "tour"]


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)])
def test_a_program_in_the_foreground_gives_its_own_status(script: str, status: int) -> None:
    assert foreground(["sh", "-c", script]) == status


def test_ctrl_c_leaves_the_program_the_time_it_needs() -> None:
    # SIGINT comes to both while the program is at work: the status that counts is the one it ends with.
    program = "trap 'sleep 0.2; exit 5' INT; kill -INT $PPID $$; sleep 30"
    done = subprocess.run(
        [sys.executable, "-c", FOREGROUND, "sh", "-c", program], cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 5
