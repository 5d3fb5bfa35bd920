"""The whole tour, between two network namespaces: every outcome is made by a real kernel."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.client.steps import TOUR
from socketlab.wire import Happened, Raised, decode
from tests.loopback.client.programs import ROOT, environment

HERE = Path(__file__).parent
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
SERVERS = {"ipv4": "10.213.99.10", "ipv6": "fd00:213:99::10"}
LONGEST = 90.0
"""Seconds: a tour takes 7, on a machine under load more."""


def missing() -> str:
    """What this machine lacks for two hosts in namespaces; empty: nothing."""
    if lacking := [tool for tool in ("unshare", "ip", "nft") if shutil.which(tool) is None]:
        return f"needs {', '.join(lacking)}"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no network namespaces here: {missing()}")


def on_client(*command: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command on the client's host."""
    return subprocess.run(
        [*UNSHARE, "sh", str(HERE / "netlab.sh"), sys.executable, *command],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment(**env),
        cwd=ROOT,
        timeout=LONGEST,
        check=False,
    )


def tour(
    tmp_path: Path, family: str, *more: str, at: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Make the tour, where an agent says that it is ready."""
    client = [
        sys.executable,
        "-m",
        "services.client",
        "tour",
        "--family",
        family,
        "--server",
        SERVERS[family],
    ]
    return on_client(
        *(sys.executable, str(HERE / "standin.py"), *at),
        *(*client, "--health", str(tmp_path / "health"), *more),
        **env,
    )


@pytest.mark.parametrize(
    ("family", "columns", "language", "summary"),
    [
        ("ipv4", 80, "en_US.UTF-8", "18 calls in "),
        ("ipv6", 60, "es_ES.UTF-8", "18 llamadas en "),
    ],
)
def test_all_as_documented(tmp_path: Path, family: str, columns: int, language: str, summary: str) -> None:
    done = tour(tmp_path, family, LANG=language, COLUMNS=str(columns))

    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert max(map(len, text.splitlines())) <= columns
    assert len(re.findall(r" (?:ms|s) ok$", text, re.MULTILINE)) == len(TOUR)
    assert text.splitlines()[-1].startswith(summary)
    assert "\x1b" not in text


def test_a_console_without_utf8_gets_ascii(tmp_path: Path) -> None:
    done = tour(tmp_path, "ipv4", LC_ALL="es_ES", COLUMNS="60")

    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 60
    assert b"tras un close" in done.stdout


def test_json_has_an_event_a_step(tmp_path: Path) -> None:
    done = tour(tmp_path, "ipv6", "--json")

    events = []
    for line in done.stdout.splitlines():
        message = decode(line)
        assert isinstance(message, Happened)
        events.append(message.event)
    assert [event.name for event in events] == [f"tour.{step.id}" for step in TOUR]
    assert [event.name for event in events if event.verdict != "as documented"] == []
    assert all(event.said for event in events)
    by_name = {event.name: event.outcome for event in events}
    rejected = by_name["tour.rejected-by-icmp"]
    assert rejected is not None
    assert isinstance(rejected.result, Raised)
    assert (rejected.result.exception, rejected.result.errno) == ("PermissionError", "EACCES")


def test_it_stays_with_the_heartbeat_and_ends_well(tmp_path: Path) -> None:
    done = tour(tmp_path, "ipv4", "--stay", at=("--at", "udp 10.213.99.10:7000  ok", "SIGTERM"))

    text = done.stdout.decode()
    assert done.returncode == 0, text
    assert "18 as documented" in text
    assert re.search(r"tcp 10\.213\.99\.10:7000  \d+ ok, 0 failed, longest outage 0\.0 s", text)


def test_once_leaves_the_heartbeat_out(tmp_path: Path) -> None:
    done = tour(tmp_path, "ipv4", "--stay", ONCE="1")

    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1].startswith("18 calls in ")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_it_and_what_is_known_is_told(tmp_path: Path, name: str, code: int) -> None:
    done = tour(tmp_path, "ipv4", at=("--at", "loopback", name))

    text = done.stdout.decode()
    assert done.returncode == code, text
    assert re.match(r"Stopped in the middle: \d+ of 18 calls in ", text.splitlines()[-1])
    assert "Traceback" not in done.stderr.decode()


def test_without_an_agent_it_says_what_to_do(tmp_path: Path) -> None:
    done = on_client(
        *(sys.executable, "-m", "services.client", "tour", "--server", SERVERS["ipv4"]),
        *("--health", str(tmp_path / "health"), "--agent-deadline", "0.3"),
    )

    assert (done.returncode, done.stdout) == (4, b"")
    assert b"after 0.3 s" in done.stderr
    assert b"docker compose ps" in done.stderr


def test_without_the_servers_name_it_says_so(tmp_path: Path) -> None:
    done = tour(tmp_path, "ipv4", "--server", "nobody.invalid")

    assert (done.returncode, done.stdout) == (4, b"")
    assert b"nobody.invalid" in done.stderr


def test_without_an_address_it_names_option_and_variable(tmp_path: Path) -> None:
    done = tour(tmp_path, "ipv6", "--unused6", "")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--unused6" in done.stderr
    assert b"SOCKETLAB_UNUSED6" in done.stderr
