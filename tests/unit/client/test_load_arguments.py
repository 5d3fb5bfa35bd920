"""What the command line of `load` asks for."""

import argparse
from typing import Any

import pytest

from services.client.load.arguments import add, plan_of
from services.client.load.plan import Plan


def parser() -> argparse.ArgumentParser:
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--json", action="store_true")
    client = argparse.ArgumentParser()
    add(client.add_subparsers(), every)
    return client


def plan(*arguments: str) -> Plan:
    return plan_of(parser().parse_args(["load", *arguments]))


def test_what_is_done_when_only_the_server_is_named() -> None:
    assert plan("tcp", "server", "7000") == Plan(
        transport="tcp", host="server", port=7000, connections=10, duration=10.0, progress=True
    )


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["udp", "::1", "7", "-6"], {"transport": "udp", "host": "::1", "port": 7, "family": "ipv6"}),
        (["tcp", "a", "7", "-4"], {"family": "ipv4"}),
        (["--unix", "/run/s"], {"transport": "unix-stream", "host": "/run/s", "port": 0}),
        (["dgram", "--unix", "@s"], {"transport": "unix-dgram", "host": "@s"}),
        (["seqpacket", "--unix", "@s"], {"transport": "unix-seqpacket"}),
        (["tcp", "a", "7", "--count", "5"], {"count": 5, "duration": None}),
        (["tcp", "a", "7", "--duration", "0.5", "--warm-up", "2"], {"duration": 0.5, "warm_up": 2.0}),
        (["tcp", "a", "7", "--rate", "0.5", "--in-flight", "9"], {"rate": 0.5, "in_flight": 9}),
        (["tcp", "a", "7", "--protocol", "framed", "--size", "0"], {"protocol": "framed", "size": 0}),
        (["tcp", "a", "7", "--reconnect", "--timeout", "1"], {"reconnect": True, "timeout": 1.0}),
        (["tcp", "a", "7", "--json"], {"json": True, "progress": False}),
        (["tcp", "a", "7", "--json", "--progress"], {"json": True, "progress": True}),
        (["tcp", "a", "7", "--no-progress"], {"progress": False}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_options(arguments: list[str], fields: dict[str, Any]) -> None:
    asked = plan(*arguments)

    assert {name: getattr(asked, name) for name in fields} == fields


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["tcp"],
        ["tcp", "127.0.0.1"],
        ["sctp", "127.0.0.1", "7000"],
        ["tcp", "127.0.0.1", "0"],
        ["tcp", "127.0.0.1", "7000", "more"],
        ["tcp", "--unix", "@socket"],
        ["stream", "--unix", "@socket", "-4"],
        ["udp", "127.0.0.1", "7000", "--size", "7"],
        ["udp", "127.0.0.1", "7000", "--reconnect"],
        ["tcp", "127.0.0.1", "7000", "--reconnect", "--in-flight", "2"],
        ["tcp", "127.0.0.1", "7000", "--duration", "1", "--count", "1"],
        ["tcp", "127.0.0.1", "7000", "--rate", "0"],
        ["tcp", "127.0.0.1", "7000", "--rate", "nan"],
        ["tcp", "127.0.0.1", "7000", "--connections", "0"],
        ["tcp", "127.0.0.1", "7000", "--connections", "1.5"],
        ["tcp", "127.0.0.1", "7000", "--timeout", "-1"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("english")
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        options = parser().parse_args(["load", *arguments])
        code: int = options.run(options)
        return code

    with pytest.raises(SystemExit) as ended:
        run()

    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert "expected" in told.err or "not allowed with" in told.err
