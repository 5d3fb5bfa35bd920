"""The command line: what it is read as, what it refuses and why, and how its help looks."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.messages import say
from services.server.arguments import Background, Command, parse
from services.server.errors import UsageError
from services.server.options import Upstream
from services.server.service import Limits
from services.server.socket_options import DEFAULTS, Keepalive, SocketOptions, spelled_option

ROOT = Path(__file__).parents[3]
_OPTIONS = """
    --lab --style --protocol --transport --workers --address --port --path --backlog
    --no-reuse-addr --reuse-port --v6-only --no-nodelay --keepalive --linger --receive-buffer --send-buffer
    --user-timeout --upstream --upstream-connect --upstream-answer --max-connections --idle --handshake
    --message --drain --daemon --pid-file --log-file --health --no-health --log-level --debug --help
"""
OPTIONS = _OPTIONS.split()


def read(asked: str) -> Command:
    """A command line, as a person writes it."""
    return parse(asked.split())


def shown_help(language: str, columns: int) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "services.server", "--help"],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": language, "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=20,
        check=True,
    )
    return shown.stdout


@pytest.mark.parametrize("language", ["en_US.UTF-8", "es_ES.UTF-8"])
@pytest.mark.parametrize("columns", [80, 300])
def test_help_explains_every_option_and_fits_a_page(language: str, columns: int) -> None:
    lines = shown_help(language, columns).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    begun = {line.split()[0] for line in lines if line.startswith("  --")}
    assert begun == set(OPTIONS)


@pytest.mark.parametrize("language", ["en_US.UTF-8", "es_ES.UTF-8"])
def test_the_examples_of_the_help_make_sense(language: str) -> None:
    command = "python3 -m services.server "
    examples = [
        line.strip().removeprefix(command)
        for line in shown_help(language, 80).splitlines()
        if line.startswith(f"    {command}")
    ]
    assert len(examples) >= 7
    for example in examples:
        read(example)


def test_nothing_asked() -> None:
    command = parse([])
    assert command.background is None
    options = command.options
    assert (options.lab, options.style, options.protocol, options.transport) == (False, None, "echo", "tcp")
    assert (options.address, options.port, options.path) == (None, 7000, None)
    assert options.socket == DEFAULTS
    assert options.limits == Limits()
    assert options.upstream is None


def test_everything_asked() -> None:
    options = read(
        "--style prefork --workers 3 --protocol echo --transport both --address :: --port 0 --backlog 7"
        " --no-reuse-addr --reuse-port --v6-only --no-nodelay --keepalive 60:10:6 --linger 0"
        " --receive-buffer 4096 --send-buffer 8192 --user-timeout 1.5"
        " --max-connections 9 --idle 1 --handshake 2 --message 3 --drain 4 --health @h"
    ).options
    assert (options.style, options.workers, options.transport) == ("prefork", 3, "both")
    assert (options.address, options.port, options.backlog) == ("::", 0, 7)
    assert options.socket == SocketOptions(
        reuse_addr=False,
        reuse_port=True,
        v6_only=True,
        nodelay=False,
        keepalive=Keepalive(60, 10, 6),
        linger=0,
        receive_buffer=4096,
        send_buffer=8192,
        user_timeout=1.5,
    )
    assert options.limits == Limits(connections=9, idle=1, handshake=2, message=3)
    assert (options.drain, options.health) == (4, "@h")


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("server:7000", Upstream(host="server", port=7000)),
        ("10.0.0.1:1", Upstream(host="10.0.0.1", port=1)),
        ("[::1]:65535", Upstream(host="::1", port=65535)),
        ("[fe80::1%eth0]:7000", Upstream(host="fe80::1%eth0", port=7000)),
        ("unix:/tmp/x", Upstream(path="/tmp/x")),  # noqa: S108 - never opened
        ("unix:@x", Upstream(path="@x")),
    ],
)
def test_an_upstream(text: str, upstream: Upstream) -> None:
    assert parse(["--protocol", "relay", "--upstream", text]).options.upstream == upstream
    assert str(upstream) == text


def test_the_times_of_an_upstream() -> None:
    asked = "--protocol relay --upstream a:1 --upstream-connect 0.5 --upstream-answer 2"
    assert read(asked).options.upstream == Upstream(host="a", port=1, connect=0.5, answer=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a",
        "a:",
        ":7000",
        "a:0",
        "a:65536",
        "a:x",
        "a:-1",
        "a:²",
        "::1:7000",
        "[::1]",
        "[]:1",
        "unix:",
    ],
)
def test_no_upstream(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(["--protocol", "relay", f"--upstream={text}"])
    assert say("server.upstream-form", seen=ascii(text)) in str(raised.value)


REFUSED = [
    ("--lab --style epoll", "server.lab-alone"),
    ("--lab --protocol chat", "server.lab-alone"),
    ("--lab --transport udp", "server.lab-alone"),
    ("--lab --path /x", "server.lab-alone"),
    ("--lab --workers 2", "server.lab-alone"),
    ("--lab --upstream a:1", "server.lab-alone"),
    ("--style threaded --transport udp", "server.style-transport"),
    ("--style prefork --transport unix-dgram --path /x", "server.style-transport"),
    ("--style epoll --transport unix-seqpacket --path /x", "server.style-transport"),
    ("--protocol chat --transport udp", "server.no-datagrams"),
    ("--protocol chat --transport both", "server.no-datagrams"),
    ("--protocol chat --transport unix-dgram --path /x", "server.no-datagrams"),
    ("--transport unix-stream", "server.needs-path"),
    ("--path /x", "server.path-needs-unix"),
    ("--transport udp --path /x", "server.path-needs-unix"),
    ("--transport unix-stream --path /x --address ::1", "server.unix-no-port"),
    ("--transport unix-stream --path /x --port 7001", "server.unix-no-port"),
    (f"--transport unix-stream --path /{'x' * 107}", "server.path"),
    ("--transport unix-stream --path @", "server.path"),
    ("--transport unix-stream --path=", "server.path"),
    (f"--health /{'x' * 107}", "server.path"),
    ("--protocol relay", "server.relay-needs-upstream"),
    ("--upstream a:1", "server.upstream-needs-relay"),
    ("--upstream-connect 1", "server.belongs-to"),
    ("--upstream-answer 1", "server.belongs-to"),
    ("--workers 2", "server.workers-style"),
    ("--workers 2 --style epoll", "server.workers-style"),
    ("--pid-file /x", "server.belongs-to"),
    ("--log-file /x", "server.belongs-to"),
    ("--v6-only --address 127.0.0.1", "server.v6-only-ipv4"),
    ("--no-nodelay --transport udp", "server.option-transport"),
    ("--no-nodelay --transport unix-stream --path /x", "server.option-transport"),
    ("--no-reuse-addr --transport udp", "server.option-transport"),
    ("--keepalive 1:1:1 --transport udp", "server.option-transport"),
    ("--linger 1 --transport udp", "server.option-transport"),
    ("--user-timeout 1 --transport unix-stream --path /x", "server.option-transport"),
    ("--reuse-port --transport unix-stream --path /x", "server.option-transport"),
    ("--v6-only --transport unix-dgram --path /x", "server.option-transport"),
    ("--receive-buffer 1 --transport unix-dgram --path /x", "server.option-transport"),
    ("--send-buffer 1 --transport unix-stream --path /x", "server.option-transport"),
    ("--keepalive 1:1", "server.usage"),
    ("--keepalive 0:1:1", "server.usage"),
    ("--keepalive 1:1:128", "server.usage"),
    ("--keepalive 32768:1:1", "server.usage"),
    ("--keepalive a:b:c", "server.usage"),
    ("--linger -1", "server.usage"),
    ("--linger 0.5", "server.usage"),
    ("--receive-buffer 0", "server.usage"),
    ("--user-timeout 0", "server.usage"),
    ("--user-timeout nan", "server.usage"),
    ("--workers 0 --style pool", "server.usage"),
    ("--style nginx", "server.usage"),
    ("--transport sctp", "server.usage"),
    ("--handshake inf", "server.usage"),
    ("--no-such-option", "server.unknown"),
    ("--por 1", "server.unknown"),
    ("word", "server.unknown"),
]


@pytest.mark.parametrize(("asked", "code"), REFUSED, ids=[f"{asked[:60]}" for asked, _ in REFUSED])
def test_what_makes_no_sense_is_refused_with_its_reason(asked: str, code: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(asked)
    assert raised.value.code == code
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "asked",
    [
        "--keepalive 1:1:1 --transport both",  # it does something for one of them
        "--send-buffer 4096 --transport unix-dgram --path /x",
        "--transport unix-stream --path @x --port 0",
        "--style threaded --transport both",
        "--lab --port 0 --linger 0 --address ::1 --v6-only",
        "--style EPOLL",
        f"--transport unix-stream --path /{'x' * 106}",
    ],
)
def test_what_makes_sense_is_not_refused(asked: str) -> None:
    read(asked)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(SocketOptions)])
def test_every_socket_option_can_be_asked_for_and_has_its_reason(field: str) -> None:
    assert spelled_option(field) in OPTIONS
    assert say(f"server.no-effect.{field.replace('_', '-')}")


def test_a_daemon_has_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = "--transport unix-stream --path x.sock --health h.sock --protocol relay --upstream unix:up.sock"
    near = read(asked).options
    assert (near.path, near.health, near.upstream) == ("x.sock", "h.sock", Upstream(path="up.sock"))

    far = parse(["--daemon", *asked.split()]).options
    assert (far.path, far.health) == (f"{tmp_path}/x.sock", f"{tmp_path}/h.sock")
    assert far.upstream == Upstream(path=f"{tmp_path}/up.sock")


def test_a_daemon_keeps_abstract_names() -> None:
    options = read("--daemon --transport unix-dgram --path @x --health @h").options
    assert (options.path, options.health) == ("@x", "@h")


def test_where_a_daemons_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert parse(["--daemon"]).background == Background(
        pid_file=tmp_path / "socketlab-server.pid", log_file=None
    )
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert parse(["--daemon"]).background == Background(
        pid_file=Path(f"/tmp/socketlab-server-{os.geteuid()}.pid"),  # noqa: S108 - a name, not opened
        log_file=None,
    )
    asked = read("--daemon --pid-file p --log-file l")
    assert asked.background == Background(pid_file=Path("p"), log_file=Path("l"))
