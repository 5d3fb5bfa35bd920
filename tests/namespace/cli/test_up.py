"""Labs that stay: opened, shown, closed, killed; by the command as users run it."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from socketlab.errors import EndedError
from socketlab.holder.client import HeldMachines, down
from socketlab.holder.runtime import Seat
from tests.namespace.cli.command import SECONDS, Command, Terminal, descendants, end_of, ended

LAB = """
name: from-file
hosts:
  alpha: {}
  beta: {}
  gamma: {}
"""


def test_a_lab_from_up_to_down(command: Command) -> None:
    done = command.run("up", "demo")
    assert done.returncode == 0
    out = done.stdout.decode()
    addresses = dict(re.findall(r"^(client|server) +lab +([\d.]+) ", out, re.MULTILINE))
    assert addresses.keys() == {"client", "server"}
    assert "socketlab exec --lab demo client getent hosts server" in out
    assert b"2 hosts on namespace" in done.stderr

    shown = command.well("status")
    assert all(address in shown for address in addresses.values())
    assert "running" in shown

    done = command.run("down")
    assert done.returncode == 0
    assert b"demo: closed" in done.stderr
    assert command.files() == []
    assert command.well("status") == "No lab runs. To open one: socketlab up\n"
    assert command.json("status") == {"labs": []}


def test_names_of_json_members_stay(command: Command) -> None:
    up = command.json("up", "demo", "--hosts", "one", "--ttl", "1h")
    lab = {"name", "state", "backend", "why", "pid", "since", "seconds_left", "networks", "hosts"}
    assert up.keys() == lab
    assert (up["name"], up["state"], up["backend"]) == ("demo", "running", "namespace")
    assert 3000 < up["seconds_left"] <= 3600
    assert up["networks"][0].keys() == {"name", "subnet", "subnet6"}
    assert up["hosts"][0].keys() == {"name", "role", "addresses"}
    assert up["hosts"][0]["addresses"][0].keys() == {"network", "device", "address", "address6"}
    (status,) = command.json("status", "demo")["labs"]
    assert status.keys() == lab
    assert status["hosts"][0].keys() == up["hosts"][0].keys() | {
        "state",
        "answer_ms",
        "clock_offset_ms",
        "clock_offset_error_ms",
        "sockets",
        "faults",
        "problem",
    }
    assert status["hosts"][0]["answer_ms"] > 0
    assert command.json("down") == {"closed": ["demo"]}


def test_two_ups_of_one_name(command: Command) -> None:
    with ended(command.start("up", "demo")) as first, ended(command.start("up", "demo")) as second:
        said = [process.communicate(timeout=SECONDS)[1].decode() for process in (first, second)]
        assert sorted((first.returncode, second.returncode)) == [0, 2], said
    assert "a lab named demo runs already" in "".join(said)
    assert [lab["name"] for lab in command.json("status")["labs"]] == ["demo"]


def test_after_its_holder_was_killed_nothing_is_left_and_up_works_again(command: Command) -> None:
    pid = command.json("up", "demo")["pid"]
    below = descendants(pid)
    assert len(below) >= 3  # the nursery, and two hosts
    os.kill(pid, signal.SIGKILL)
    assert end_of(pid)
    assert all(map(end_of, below))
    done = command.run("down", "demo")
    assert done.returncode == 3
    assert b"no lab named demo runs" in done.stderr
    assert command.json("up", "demo")["pid"] != pid


def test_prune_removes_a_killed_holders_files(command: Command) -> None:
    pid = command.json("up", "demo")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert end_of(pid)
    assert "demo.log" in command.well("prune", "--dry-run")
    assert command.run("prune").returncode == 2  # nobody to ask
    assert "demo.log" in command.files()
    assert command.json("prune", "other", "--yes")["found"] == []
    assert {each["lab"] for each in command.json("prune", "--yes")["found"]} == {"demo"}
    assert command.files() == []


def test_prune_touches_no_lab_that_is_held(command: Command) -> None:
    command.well("up", "demo")
    assert command.json("prune", "--yes")["removed"] is False
    assert command.json("status")["labs"][0]["state"] == "running"


def test_a_holder_that_is_told_to_end_closes_its_lab(command: Command) -> None:
    pid = command.json("up", "demo")["pid"]
    below = descendants(pid)
    os.kill(pid, signal.SIGTERM)
    assert end_of(pid)
    assert command.files() == []
    assert all(map(end_of, below))


def test_a_lab_goes_when_its_time_is_up(command: Command) -> None:
    assert end_of(command.json("up", "--ttl", "300ms")["pid"])
    assert command.files() == []


def test_an_up_that_is_given_up_leaves_nothing(command: Command) -> None:
    terminal = Terminal(command, "up", "demo", "--hosts", ",".join(f"h{number}" for number in range(60)))
    terminal.until(b"opening")
    terminal.type(b"\x03")
    status, said = terminal.end()
    if status == 0:  # it was quicker than the key
        command.well("down", "demo")
    else:
        assert status == 130, said
    assert command.files() == []


def test_a_killed_up_leaves_nothing(command: Command) -> None:
    with ended(command.start("up", "demo", "--hosts", ",".join(f"h{number}" for number in range(60)))) as up:
        assert up.stderr is not None
        assert b"opening" in up.stderr.readline()
        (holder, *_) = descendants(up.pid)
        up.kill()
        up.wait(SECONDS)
    assert end_of(holder)
    assert command.files() == []


def test_a_lab_from_a_file(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB, encoding="utf-8")
    assert command.json("up", "-f", str(path))["name"] == "from-file"
    other = command.json("up", "other", "-f", str(path))
    assert other["name"] == "other"
    assert [host["name"] for host in other["hosts"]] == ["alpha", "beta", "gamma"]
    done = command.run("down")
    assert done.returncode == 2
    assert b"several labs run: from-file, other" in done.stderr
    assert command.json("down", "--all") == {"closed": ["from-file", "other"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [("hosts: [", "lab.yaml:"), ("name: x\nhosts:\n  a: {adress: 1}\n", "adress"), ("", "lab.yaml")],
)
def test_a_file_that_makes_no_sense(command: Command, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(text, encoding="utf-8")
    done = command.run("up", "-f", str(path))
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert command.files() == []


def test_a_lab_that_cannot_be_made_leaves_nothing(command: Command) -> None:
    done = command.run("up", "--hosts", "one,one")
    assert done.returncode == 2
    assert command.files() == []


def test_the_folder_of_somebody_else_is_refused(command: Command) -> None:
    (command.folder / "socketlab").symlink_to("/tmp")  # noqa: S108 - anybody's folder is what it takes
    for words in (("up",), ("status",)):
        done = command.run(*words)
        assert done.returncode == 4
        assert b"not a folder that only you can use" in done.stderr


def test_sentences_are_in_the_users_language(command: Command) -> None:
    done = command.run("up", "demo", LC_ALL="es_ES.UTF-8")
    assert "abriendo" in done.stderr.decode()
    assert "Para seguir:" in done.stdout.decode()
    again = command.run("up", "demo", LC_ALL="es_ES.UTF-8")
    assert "ya hay un laboratorio demo en marcha" in again.stderr.decode()
    assert "en marcha" in command.run("status", LC_ALL="es_ES.UTF-8").stdout.decode()


def test_labs_and_hosts_complete(command: Command) -> None:
    command.well("up", "demo")

    def completed(words: str, number: int) -> list[str]:
        environ = {**command.environ, "_SOCKETLAB_COMPLETE": "bash_complete"}
        environ |= {"COMP_WORDS": words, "COMP_CWORD": str(number)}
        told = subprocess.run(
            command.argv(), capture_output=True, text=True, timeout=SECONDS, check=True, env=environ
        )
        return [line.partition(",")[2] for line in told.stdout.splitlines()]

    assert completed("socketlab down d", 2) == ["demo"]
    assert completed("socketlab exec s", 2) == ["server"]


def test_a_holder_does_not_keep_the_users_folder_or_terminal(command: Command) -> None:
    pid = json.loads(command.well("up", "--json"))["pid"]
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path(os.devnull)
    assert os.getsid(pid) == pid


def test_a_holder_that_hangs_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = command.json("up", "demo")["pid"]
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(command.folder))
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EndedError, match=f"kill {pid}"):
            down(Seat("demo"), timeout=0.2)
        with pytest.raises(EndedError, match=r"has not answered within 0\.2 s"):
            HeldMachines(Seat("demo"), patience=0.2)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert end_of(pid)
