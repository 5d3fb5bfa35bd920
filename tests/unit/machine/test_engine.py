import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.machine.engine import Finding, State, judge, start_daemon
from scripts.machine.errors import LackingError
from scripts.machine.process import Answer

DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
)
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
NOTIFY = """
import os, socket, sys
notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for notice in sys.argv[1:]:
    notices.sendto(notice.encode(), os.environ["NOTIFY_SOCKET"])
"""


@pytest.mark.parametrize(
    ("answer", "environ", "finding"),
    [
        (None, {}, Finding(State.ABSENT)),
        (Answer(0, json.dumps({"Version": "26.1.5"}), ""), {}, Finding(State.READY, "26.1.5")),
        (Answer(1, "null\n", DOWN), {}, Finding(State.DOWN, DOWN)),
        (Answer(1, "null\n", DENIED), {}, Finding(State.DENIED, DENIED)),
        (Answer(1, "", DOWN), {"DOCKER_HOST": "tcp://10.0.0.1:2375"}, Finding(State.DEAD_HOST, DOWN)),
        (Answer(1, "", DENIED), {"DOCKER_HOST": "ssh://lab"}, Finding(State.DENIED, DENIED)),
    ],
    ids=["absent", "ready", "down", "denied", "dead host", "denied by a host"],
)
def test_each_state_of_an_engine_is_told_apart(
    answer: Answer | None, environ: Mapping[str, str], finding: Finding
) -> None:
    assert judge(answer, environ) == finding


def daemon(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program, *arguments]


def test_a_daemon_is_waited_for_until_it_says_that_it_is_ready(tmp_path: Path) -> None:
    start_daemon(daemon(NOTIFY, "STATUS=loading", "READY=1\nSTATUS=ready"), tmp_path / "log", deadline=30)


def test_a_daemon_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(LackingError) as failed:
        start_daemon(daemon("print('no such driver'); raise SystemExit(1)"), tmp_path / "log", deadline=30)
    assert failed.value.code == "machine.engine-start"
    assert failed.value.details["end"].strip() == "no such driver"


def test_a_daemon_that_does_not_get_ready_is_told(tmp_path: Path) -> None:
    slow = daemon("import time; time.sleep(2)")
    with pytest.raises(LackingError) as failed:
        start_daemon(slow, tmp_path / "log", deadline=0.2)
    assert failed.value.code == "machine.engine-start"
