"""The measuring process: `python3 -m scripts.machine.bench.hosts.measure JSON`, in the project's `.venv`.

Its argument says what to measure; the figures go to standard output as one line of JSON, progress to
standard error. A case that fails is not tried again, and the others go on.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final, Protocol

from scripts.machine.bench.hosts import calls, docker_labs, labs
from scripts.machine.bench.hosts.figures import Figures, Measured
from scripts.machine.bench.hosts.yardsticks import ByHand
from scripts.machine.steps import tell
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError

INTERRUPTED: Final = 130
_FAILURES: Final = (SocketlabError, OSError, subprocess.SubprocessError, ValueError)
CROWD: Final = 100
CALLS: Final = 3000
WARM: Final = 5
QUICK_CROWD: Final = 10
QUICK_CALLS: Final = 300
QUICK_WARM: Final = 2


class Cases(Protocol):
    """Measures one case at a time."""

    @property
    def crowd(self) -> int:
        """Most hosts that a case has in one lab."""

    @property
    def cases(self) -> Mapping[str, Callable[[], Figures]]:
        """What measures each case once."""


class MakeCases(Protocol):
    """Makes what measures."""

    def __call__(self, *, quick: bool, stack: ExitStack) -> Cases:
        """As `Bench`."""


class Bench:
    """Measures one case at a time.

    Args:
        quick: fewer hosts and calls.
        stack: what it opens once goes with this.
    """

    def __init__(self, *, quick: bool, stack: ExitStack) -> None:
        self._stack = stack
        self._by_hand: ByHand | None = None
        self._warm = QUICK_WARM if quick else WARM
        self._calls = QUICK_CALLS if quick else CALLS
        self.crowd = QUICK_CROWD if quick else CROWD
        self.cases: Mapping[str, Callable[[], Figures]] = {
            "lab": self._lab,
            "hundred": lambda: labs.crowd(self.crowd),
            "call": lambda: calls.in_turns("namespace", self._calls),
            "docker": docker_labs.one_round,
            "docker-call": lambda: calls.in_turns("docker", self._calls),
        }

    def _lab(self) -> Figures:
        if self._by_hand is None:
            self._by_hand = self._stack.enter_context(ByHand())
            self._by_hand.seconds()  # the first finds no file in memory
        return {"by_hand_s": self._by_hand.seconds(), **labs.cold_and_warm(self._warm)}


def measure(asked: dict[str, Any], make: MakeCases = Bench) -> Measured:
    """Make all rounds."""
    measured = Measured()
    with ExitStack() as stack:
        bench = make(quick=asked["quick"], stack=stack)
        measured.hosts = bench.crowd
        for number in range(1, asked["rounds"] + 1):
            for case in asked["cases"]:
                if case not in measured.failures:
                    _one(measured, case, bench.cases[case], number, asked["rounds"])
    return measured


def _one(measured: Measured, case: str, work: Callable[[], Figures], number: int, rounds: int) -> None:
    began = time.monotonic()
    try:
        measured.rounds.setdefault(case, []).append(work())
    except _FAILURES as error:
        measured.failures[case] = str(error)
        if not measured.rounds[case]:
            del measured.rounds[case]
    told = say("scripts.bench.progress", round=number, rounds=rounds, case=case)
    tell(f"{told}  ({time.monotonic() - began:.1f} s)")


def main(make: MakeCases = Bench) -> int:
    """Measure what the argument asks for."""
    # Also where whoever started the command had it ignored: labs are closed in order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # What a program says that we start is not ours to hand over.
    ours = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        measured = measure(json.loads(sys.argv[1]), make)
    except KeyboardInterrupt:
        return INTERRUPTED
    with os.fdopen(ours, "w", encoding="utf-8") as out:
        out.write(json.dumps(measured.as_plain()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
