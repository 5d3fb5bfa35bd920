"""Which styles serve which transports, and what goes together on a command line."""

import pytest

from services.server.cells import CELLS, DEFAULT_TRANSPORT, default_workers, parts, styles_for
from services.server.errors import UsageError
from services.server.listeners import Transport

STREAM_ONLY = {"threaded", "pool", "forking"}


@pytest.mark.parametrize("style", CELLS)
def test_every_style_serves_streams(style: str) -> None:
    assert {"tcp", "unix-stream"} <= CELLS[style]


@pytest.mark.parametrize(
    ("transport", "styles"),
    [
        ("udp", ["iterative", "prefork", "select", "epoll", "asyncio"]),
        ("unix-dgram", ["iterative", "select", "epoll", "asyncio"]),
        ("unix-seqpacket", ["iterative", "threaded"]),
    ],
)
def test_who_serves_what_else(transport: Transport, styles: list[str]) -> None:
    assert styles_for(transport) == styles


@pytest.mark.parametrize("style", CELLS)
@pytest.mark.parametrize("transport", ["tcp", "udp", "unix-stream", "unix-dgram", "unix-seqpacket"])
def test_a_style_serves_what_it_can_and_names_who_could(style: str, transport: Transport) -> None:
    if transport in CELLS[style]:
        assert parts(style, transport) == [(style, transport)]
        return
    with pytest.raises(UsageError) as raised:
        parts(style, transport)
    for able in styles_for(transport):
        assert able in str(raised.value)


@pytest.mark.parametrize(
    ("style", "datagrams"),
    [(style, "iterative" if style in STREAM_ONLY else style) for style in CELLS],
)
def test_both_falls_back_to_iterative_for_datagrams(style: str, datagrams: str) -> None:
    assert parts(style, "both") == [(style, "tcp"), (datagrams, "udp")]


@pytest.mark.parametrize(
    ("transport", "expected"),
    [
        ("tcp", [("threaded", "tcp")]),
        ("udp", [("iterative", "udp")]),
        ("both", [("threaded", "tcp"), ("iterative", "udp")]),
        ("unix-stream", [("threaded", "unix-stream")]),
        ("unix-dgram", [("iterative", "unix-dgram")]),
        ("unix-seqpacket", [("threaded", "unix-seqpacket")]),
    ],
)
def test_the_default_style(transport: str, expected: list[tuple[str, Transport]]) -> None:
    assert parts(None, transport) == expected


def test_only_pool_and_prefork_start_workers_beforehand() -> None:
    assert [style for style in CELLS if default_workers(style)] == ["pool", "prefork"]
    assert (default_workers("prefork") or 0) >= 2


def test_the_default_transport_is_one_that_every_style_serves() -> None:
    assert all(DEFAULT_TRANSPORT in served for served in CELLS.values())
