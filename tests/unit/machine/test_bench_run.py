"""scripts/bench for real: the C programs are compiled, and servers measured, for tenths of a second."""

import os
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.machine.bench import equipment, options, rounds
from scripts.machine.bench.cases import CASES, Case
from scripts.machine.bench.contenders import CONTENDERS
from scripts.machine.bench.cores import Cores
from scripts.machine.bench.failures import FailedRunError
from scripts.machine.bench.generator import straight
from scripts.machine.bench.measuring import MESSAGE_SIZE, Bench, frames
from scripts.machine.bench.samples import Footprint, FramedSample, Sample
from scripts.machine.bench.summary import of_kind
from scripts.machine.command import Options
from services.protocol.framing import FrameBuffer, Kind
from socketlab.messages import say
from tests.unit.machine.bench_samples import case
from tests.unit.machine.conftest import Command

ENGLISH = {"LANG": "en_GB.UTF-8", "LC_ALL": ""}
SPANISH = {"LANG": "es_ES.UTF-8", "LC_ALL": ""}
CORE = max(os.sched_getaffinity(0))
PEERS = tuple(contender for contender in CONTENDERS if contender.name in {"C", "socketserver"})


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C programs, compiled into a cache of the test's own."""
    if not any(map(shutil.which, equipment.COMPILERS)):
        pytest.skip(f"no C compiler on the PATH: {', '.join(equipment.COMPILERS)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return equipment.compiled(equipment.compiler())


@pytest.fixture
def bench(compiled: Path) -> Bench:
    return Bench(compiled=compiled, cores=Cores(CORE, CORE), seconds=0.05, churn=100)


def few(name: str, connections: int = 10) -> Case:
    return replace(case(name), connections=connections)


def test_two_servers_are_measured_in_turn(bench: Bench) -> None:
    plan = options.read(
        Options(frozenset(), ("servers", "--only", "pingpong-50", "accepts", "--rounds", "2"))
    )
    for result in rounds.run(replace(plan, contenders=PEERS), bench, lambda _round, _case, _seconds: None):
        assert result.failures == {}
        assert len(result.rounds) == 2
        for samples in of_kind(result, Sample):
            assert set(samples) == {"C", "socketserver"}
            assert samples["C"].cpu < samples["socketserver"].cpu
            for sample in samples.values():
                # A core has one second a second: the server cannot have had more of it, nor nothing.
                assert 0 < sample.rate * sample.cpu / 1e6 < 1.05
                assert sample.p50
                assert sample.p99
                assert 0 < sample.p50 <= sample.p99


@pytest.mark.parametrize("name", ["in-flight", "bulk", "udp-50"])
def test_c_serves_every_kind_of_load(bench: Bench, name: str) -> None:
    sample = bench.measure(case(name), "C")
    assert isinstance(sample, Sample)
    assert 0 < sample.rate * sample.cpu / 1e6 < 1.05


def test_idle_connections_cost_a_thread_each_or_next_to_nothing(bench: Bench) -> None:
    threads, in_c = (bench.measure(few("idle", 100), name) for name in ("socketserver", "C"))
    assert isinstance(threads, Footprint)
    assert isinstance(in_c, Footprint)
    assert in_c.per_connection < 4096 < threads.per_connection


def test_a_style_of_the_lab_is_measured_in_framed_and_growth(bench: Bench) -> None:
    pair = bench.measure(few("framed"), "threaded")
    assert isinstance(pair, FramedSample)
    assert pair.echo.rate > 0
    assert pair.framed.rate > 0
    assert pair.framed != pair.echo
    grown = bench.measure(few("growth"), "threaded")
    assert isinstance(grown, Footprint)
    assert grown.connections == 100
    assert grown.before.rss > 5_000


def test_the_labs_load_is_measured_beside_that_in_c(bench: Bench) -> None:
    for name in ("C", "load"):
        sample = bench.measure(few("load"), name)
        assert isinstance(sample, Sample)
        assert 0 < sample.rate * sample.cpu / 1e6 < 1.05


def test_frames_are_of_the_protocol_and_as_large_as_other_messages() -> None:
    _, hello, _, request = frames()
    [(kind, *_), (asked, _, payload, _)] = FrameBuffer().frames(bytes.fromhex(hello + request))
    assert (kind, asked) == (Kind.HELLO, Kind.REQUEST)
    assert len(bytes.fromhex(request)) == MESSAGE_SIZE
    assert payload["op"] == "echo"


def load(compiled: Path, mode: str, port: int, *more: str) -> Mapping[str, object]:
    return straight([str(compiled / "load"), mode, "127.0.0.1", str(port), *more], CORE, 1.0)


def wrong(data: bytes) -> bytes:
    return data[:-1] + b"!"


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(wrong, "load: what came back is not what was sent"), (None, "the server closed after 0 of 64 bytes")],
)
def test_a_server_that_does_not_echo_is_found_out(
    compiled: Path, answer: Callable[[bytes], bytes] | None, seen: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            conn, _ = listener.accept()
            with conn:
                data = conn.recv(MESSAGE_SIZE)
                if answer:
                    conn.sendall(answer(data))

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(FailedRunError) as failed:
            load(compiled, "pingpong", listener.getsockname()[1])
        server.join()
    assert failed.value.details["seen"].endswith(seen)


def test_a_datagram_that_gets_lost_is_sent_again_and_counted(compiled: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            sock.recvfrom(2048)
            while data := sock.recvfrom(2048):
                sock.sendto(*data)
                if data[0] == b"end":
                    return

        server = threading.Thread(target=serve)
        server.start()
        result = load(compiled, "udp", sock.getsockname()[1], "--seconds", "0.1", "--warm-up", "0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", sock.getsockname())
        server.join()
    assert result["lost"] == 1
    assert isinstance(result["operations"], int)
    assert result["operations"] >= 1


@pytest.mark.parametrize("mode", ["bulk", "framed", "idle"])
def test_options_of_the_generator_that_make_no_sense_are_refused(compiled: Path, mode: str) -> None:
    arguments = {"bulk": ("--size", "100"), "framed": ("--hello", "00"), "idle": ()}[mode]
    with pytest.raises(FailedRunError) as failed:
        load(compiled, mode, 9, *arguments)
    assert failed.value.details["status"] == "2"


def test_programs_are_compiled_once(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(compiled.parents[2]))
    before = {file: file.stat().st_mtime_ns for file in compiled.iterdir()}
    assert equipment.compiled(equipment.compiler()) == compiled
    assert {file: file.stat().st_mtime_ns for file in compiled.iterdir()} == before
    assert {file.name for file in before} == {"echo_server", "load"}


def test_what_the_peers_need_is_in_the_project_file() -> None:
    assert [name for name in equipment.requirements() if name.startswith("uvloop")]


def test_every_obstacle_has_its_sentence() -> None:
    obstacles = {contender.obstacle(case) for contender in CONTENDERS for case in CASES}
    for obstacle in filter(None, obstacles):
        assert "a, b" in say(f"scripts.bench.obstacle.{obstacle}", names="a, b")


@pytest.mark.parametrize(("locale", "word"), [(ENGLISH, "usage: "), (SPANISH, "uso: ")], ids=["en", "es"])
def test_help_is_data_in_the_users_language(command: Command, locale: Mapping[str, str], word: str) -> None:
    done = command("scripts/bench", "--help", environ={**os.environ, **locale})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{word}./scripts/bench servers")
    for name in (*(each.name for each in CASES), *options.FLAGS, *options.VALUED):
        assert name in done.stdout


def test_a_mistake_of_use_is_said_before_anything_is_brought(command: Command, tmp_path: Path) -> None:
    environ = {**os.environ, **ENGLISH, "XDG_CACHE_HOME": str(tmp_path)}
    done = command("scripts/bench", "servers", "--only", "bulky", environ=environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("scripts/bench: --only: no such name: bulky. Expected some of: pingpong-1")
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_it_says_how_to_get_one(command: Command, tmp_path: Path) -> None:
    for program in ("sh", "dirname"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    done = command("scripts/bench", "servers", "--quick", environ={"PATH": str(tmp_path), **ENGLISH})
    assert (done.returncode, done.stdout) == (4, "")
    assert "sudo apt install gcc" in done.stderr


def test_the_script_is_executable_posix_sh() -> None:
    script = Path(__file__).parents[3] / "scripts" / "bench"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
