"""What `kinds` says that calls get is what was measured."""

from collections.abc import Iterator

import pytest

from socketlab.faults.effects import Row, effects
from socketlab.wire.effects import OF_KINDS


def name_of(line: str) -> str:
    """The name that `kinds` has for a fault of the measured table."""
    words = line.split()
    if words[0] in {"reject", "route"}:
        return " ".join(words[:2])
    told_apart = ("--now", "--then reset", "--checksum valid", "--direction out")
    return " ".join([words[0], *(each for each in told_apart if each in line)])


def plain_rows() -> Iterator[Row]:
    """Rows of kinds as `kinds` speaks of them: without more options, a link where the calls are made."""
    for row in effects().rows:
        is_plain = "--delay" not in row.fault and "--first" not in row.fault
        if is_plain and (row.on == "client" or not row.fault.startswith("link")):
            yield row


@pytest.mark.parametrize("row", list(plain_rows()), ids=lambda row: f"{row.fault} on {row.on}, {row.family}")
def test_errnos_are_those_that_were_measured(row: Row) -> None:
    told = OF_KINDS[name_of(row.fault)]
    measured = row.effects
    for effect, found in (
        (told.connect, measured["tcp-connect-timeout"]),
        (told.established, measured["tcp-established"]),
        (told.udp_connected, measured["udp-connected"]),
        (told.udp, measured["udp-unconnected"]),
    ):
        if effect.errno != "-":
            assert found.errno == effect.errno
