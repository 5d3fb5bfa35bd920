"""The table of cells is the program's own: no style, transport or protocol is left out of this suite."""

from services.server.cells import CELLS, PROTOCOLS
from tests.servers.cells import DATAGRAMS, STREAMS

SUITE = [*STREAMS, *DATAGRAMS]


def test_every_style_is_run_on_every_transport_that_it_serves() -> None:
    run: dict[str, set[str]] = {}
    for cell in SUITE:
        run.setdefault(cell.style, set()).add(cell.way.transport)
    assert run == {style: set(transports) for style, transports in CELLS.items()}


def test_every_protocol_is_run_in_every_style() -> None:
    assert {(cell.style, cell.protocol) for cell in SUITE} == {
        (style, protocol) for style in CELLS for protocol in PROTOCOLS
    }
