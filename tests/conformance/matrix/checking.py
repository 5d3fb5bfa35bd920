"""A situation, checked: it changes what was asked and nothing else, and all is well when it is healed."""

import time
from typing import Final

import pytest

from socketlab.hosts.backend import Backend
from socketlab.hosts.lab import Lab, lab
from socketlab.wire.match import Family
from tests.conformance.matrix.situations import HOSTS, Situation
from tests.conformance.matrix.talking import PORT, Cell, cells, classify

_GOES: Final = 3
"""A fault bites each time; what a busy machine does to a conversation, it does not do thrice."""
_HEALED_SECONDS: Final = 30.0
"""By when a peer's kernel has found out anew whatever a fault made it forget."""


def open_lab(backend: str | Backend, labels: dict[str, str]) -> Lab:
    """The four hosts, each with what it is asked by."""
    made = lab(hosts=HOSTS, backend=backend, labels=labels).open()
    for host in made.hosts.values():
        host.serve(style="threaded", transport="both", port=PORT)
    return made


def check(made: Lab, situation: Situation, family: Family) -> None:
    """Put it in force, hold all conversations, heal it, and hold them again."""
    which = [cell for cell in cells(HOSTS) if cell.source not in situation.mute]
    expected = situation.expect(family)
    on, fault = situation.make(made, family)
    wrong: dict[str, tuple[str, tuple[str, ...]]] = {}
    with made.faults.apply(fault, on=on):
        left = which
        for _ in range(_GOES):
            seen = classify(made, left)
            left = [cell for cell in left if seen[cell] not in expected.get(cell, ("fine",))]
            wrong = {str(cell): (seen[cell], expected.get(cell, ("fine",))) for cell in left}
            if not left:
                break
    _await_health(made, which)
    if wrong:
        pytest.fail(f"seen and expected, {_GOES} times: {wrong}")


def _await_health(made: Lab, which: list[Cell]) -> None:
    deadline = time.monotonic() + _HEALED_SECONDS
    left = which
    while left:
        seen = classify(made, left)
        left = [cell for cell in left if seen[cell] != "fine"]
        if left and time.monotonic() > deadline:
            pytest.fail(f"healed, and still: { {str(cell): seen[cell] for cell in left} }")
