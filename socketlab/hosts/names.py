"""The name server of a lab, started on the host of that role: `services.names` with what the plan knows."""

import json
from collections.abc import Sequence
from typing import Final

from socketlab.hosts.plan import Record
from socketlab.hosts.programs import Program
from socketlab.hosts.ready import start_ready
from socketlab.hosts.streams import Calls

_READY: Final = b"names: ready"
_SECONDS: Final = 20.0
_MODE: Final = 0o400


def start(calls: Calls, host: str, records: Sequence[Record], addresses: Sequence[str]) -> Program:
    """Start it; returns when it answers.

    Args:
        calls: the host's actor.
        host: its name.
        records: what it knows.
        addresses: the host's: bound to each, it answers from the one that was asked, on every network.

    Raises:
        ProgramError: it does not answer; its own words say why.
    """
    plain = [[each.name, each.kind, each.value] for each in records]
    path = calls.call("put", "names.json", json.dumps(plain).encode(), _MODE)
    argv = [
        "python3",
        "-m",
        "services.names",
        path,
        "--control",
        *(f"--address={address}" for address in addresses),
    ]
    return start_ready(calls, host, argv, _READY, _SECONDS, stdin=False)
