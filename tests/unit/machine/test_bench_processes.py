"""The processes of a run: started on their core, accounted for to the last child, and gone afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.machine.bench import cores, room
from scripts.machine.bench import serving as server_under_way
from scripts.machine.bench.accounting import cpu_seconds, memory
from scripts.machine.bench.failures import FailedRunError, last_words
from scripts.machine.bench.generator import Stops, stepped, straight
from scripts.machine.bench.serving import port_in, serving

SERVING = '{"event": "serving", "bound": [{"transport": "udp", "port": 2}, {"transport": "tcp", "port": 1}]}'
BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
READY = "print('ready', flush=True); import sys; sys.stdin.readline()\n"


def python(script: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", script]


def ours() -> int:
    """A core that we may use."""
    return max(os.sched_getaffinity(0))


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process group that runs a script up to its first line on stdout."""
    with subprocess.Popen(
        python(request.param), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("group", [f"{BURN}{READY}"], indirect=True)
def test_cpu_time_of_a_process_is_exact_and_stands_still_while_it_waits(group: subprocess.Popen[str]) -> None:
    spent = cpu_seconds(group.pid)
    assert 0.2 <= spent < 2.0
    time.sleep(0.05)
    assert cpu_seconds(group.pid) - spent < 0.02


FORKS = (
    f"import os\nif (child := os.fork()) == 0:\n exec({BURN!r}); os._exit(0)\nos.waitpid(child, 0)\n{READY}"
)
ZOMBIE = (
    f"import os\nif (child := os.fork()) == 0:\n exec({BURN!r}); os._exit(0)\n"
    f"os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\n{READY}"
)
THREADS = (
    f"import threading\nt = threading.Thread(target=exec, args=({BURN!r},)); t.start(); t.join()\n{READY}"
)
LIVING = f"import os\nif os.fork() == 0:\n exec({BURN!r})\n print('ready', flush=True)\nos.read(0, 1)\n"


@pytest.mark.parametrize(
    "group", [FORKS, ZOMBIE, THREADS, LIVING], indirect=True, ids=["reaped", "zombie", "thread", "living"]
)
def test_children_and_threads_are_accounted_for_living_or_ended(group: subprocess.Popen[str]) -> None:
    assert 0.19 <= cpu_seconds(group.pid) < 2.0  # what has ended is known to a tick of 10 ms


HOLDS = "held = bytearray(b'x') * (20 << 20)\n" + READY
SHARES = f"import os\n{HOLDS.replace(READY, '')}if os.fork(): pass\nelse:\n {READY}os.read(0, 1)\n"


@pytest.mark.parametrize("group", [HOLDS], indirect=True)
def test_memory_is_what_is_held(group: subprocess.Popen[str]) -> None:
    held = memory(group.pid)
    assert 20 << 10 < held.pss <= held.rss < 60 << 10


@pytest.mark.parametrize("group", [SHARES], indirect=True)
def test_what_is_shared_is_counted_once_in_pss_and_twice_in_rss(group: subprocess.Popen[str]) -> None:
    held = memory(group.pid)
    assert 20 << 10 < held.pss < 40 << 10 < held.rss


def test_a_group_that_is_gone_holds_nothing() -> None:
    with subprocess.Popen(python(""), process_group=0) as process:
        pass
    assert cpu_seconds(process.pid) == 0.0
    assert memory(process.pid).rss == 0


def test_a_server_is_found_on_its_core_and_killed_with_its_children() -> None:
    script = (
        f"import os, time\nos.fork()\nif os.getpid() == os.getpgrp(): print('''{SERVING}''', flush=True)\n"
    )
    with serving(python(script + "time.sleep(60)"), "tcp", ours()) as server:
        assert server.port == 1
        assert os.sched_getaffinity(server.group) == {ours()}
        assert memory(server.group).rss > 0
    with pytest.raises(ProcessLookupError):
        # The child is not ours to wait for; whoever adopts it does so at once.
        wait_until_gone(server.group)


def wait_until_gone(group: int) -> None:
    for _ in range(500):
        os.killpg(group, 0)
        time.sleep(0.01)


def test_a_server_that_ends_instead_is_a_failure_with_its_last_words() -> None:
    script = "import sys; print('a log line'); sys.exit('no such port')"
    with pytest.raises(FailedRunError) as failed, serving(python(script), "tcp", ours()):
        pass
    assert failed.value.details == {"status": "1", "seen": "no such port"}


def test_a_server_that_serves_nowhere_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_under_way, "READY_DEADLINE", 0.5)
    script = "import time; print('still thinking', flush=True); time.sleep(60)"
    with pytest.raises(FailedRunError) as failed, serving(python(script), "tcp", ours()):
        pass
    assert failed.value.details == {"seconds": "0.5", "seen": "still thinking"}
    assert "0.5 s" in str(failed.value)


@pytest.mark.parametrize(
    ("log", "port"),
    [
        ("", None),
        (f"{SERVING[:30]}\n", None),
        (SERVING, None),  # the line is not whole yet
        (f"{SERVING}\n", 1),
        (f'{{"event": "uvloop"}}\n{SERVING}\n{{"event": "accepted"}}\n', 1),
    ],
)
def test_the_port_is_in_the_event_serving(log: str, port: int | None) -> None:
    if log == f"{SERVING[:30]}\n":
        log = log.replace("serving", "starting")
    assert port_in(log, "tcp") == port


def test_a_generator_stops_twice_and_its_result_is_read() -> None:
    stops: list[str] = []
    script = READY + "print('{\"operations\": 3}', flush=True); sys.stdin.readline()\n"
    took = Stops(lambda: stops.append("ready"), lambda: stops.append("answered"))
    assert stepped([*python(script)], ours(), 1.0, took) == {"operations": 3}
    assert stops == ["ready", "answered"]


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("import sys; sys.exit('refused')", "refused"),
        (READY + "sys.exit('the server closed')", "the server closed"),
        (READY, "-"),
        ("print('ready', flush=True)", "-"),  # gone before it is told to go on
    ],
)
def test_a_generator_without_a_result_is_a_failure(script: str, seen: str) -> None:
    with pytest.raises(FailedRunError) as failed:
        stepped(python(script), ours(), 1.0, Stops(lambda: None, lambda: None))
    assert failed.value.details["seen"] == seen


def test_the_result_is_the_last_line() -> None:
    assert straight(python("print('progress'); print('{\"rate\": 1}')"), ours(), 1.0) == {"rate": 1}
    with pytest.raises(FailedRunError):
        straight(python("print('progress')"), ours(), 1.0)


def test_last_words_are_of_the_first_stream_that_has_any() -> None:
    assert last_words("", " \n", "one\ntwo\n\n") == "two"
    assert last_words("", "") == "-"


def test_the_last_core_is_taken_and_two_where_there_are_two() -> None:
    assert cores.choose(two=False, available=frozenset({0, 1, 5})) == cores.Cores(5, 5)
    assert cores.choose(two=True, available=frozenset({0, 1, 5})) == cores.Cores(5, 1)
    assert cores.choose(two=True, available=frozenset({3})) == cores.Cores(3, 3)


def test_what_is_started_on_a_core_stays_there_and_we_do_not() -> None:
    before = os.sched_getaffinity(0)
    with cores.on_core(ours()):
        said = subprocess.run(
            python("import os; print(os.sched_getaffinity(0))"), capture_output=True, text=True, check=True
        )
    assert said.stdout.strip() == str({ours()})
    assert os.sched_getaffinity(0) == before


def conntrack(folder: Path, count: int, most: int) -> Path:
    (folder / "nf_conntrack_count").write_text(f"{count}\n")
    (folder / "nf_conntrack_max").write_text(f"{most}\n")
    return folder


def test_there_is_room_where_nothing_watches_or_the_table_is_large(tmp_path: Path) -> None:
    room.make_room(10**9, table=tmp_path, longest=0.0)
    room.make_room(100, table=conntrack(tmp_path, 650, 1000), longest=0.0)


def test_a_full_table_is_waited_for_and_then_said(tmp_path: Path) -> None:
    table = conntrack(tmp_path, 651, 1000)
    with pytest.raises(FailedRunError) as failed:
        room.make_room(100, table=table, longest=0.0)
    assert failed.value.details == {"count": "651", "most": "1000"}


def test_memory_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9999999 kB\nMemAvailable:    2048 kB\n")
    room.need_memory(2048, tmp_path / "meminfo")
    with pytest.raises(FailedRunError) as failed:
        room.need_memory(4096, tmp_path / "meminfo")
    assert failed.value.details == {"needed": "4", "available": "2"}
