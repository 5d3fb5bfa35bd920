"""The measuring process: `python3 -m scripts.machine.bench.faults.measure JSON`, in the project's `.venv`."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from scripts.machine.bench.faults import applying, inside
from scripts.machine.bench.faults.packets import Packets
from scripts.machine.bench.hosts import measure
from scripts.machine.bench.hosts.figures import Figures
from scripts.machine.bench.hosts.labs import PAIR

TIMES: Final = 100
QUICK_TIMES: Final = 10


class Bench:
    """Measures one case at a time.

    Args:
        quick: fewer faults and packets.
        stack: what it opens once goes with this.
    """

    crowd = len(PAIR)

    def __init__(self, *, quick: bool, stack: ExitStack) -> None:
        self._quick = quick
        self._stack = stack
        self._made: Packets | None = None
        times = QUICK_TIMES if quick else TIMES
        self.cases: Mapping[str, Callable[[], Figures]] = {
            "agent": lambda: inside.in_agent(times),
            "controller": lambda: applying.from_controller("namespace", times),
            "docker": lambda: applying.from_controller("docker", times),
            "delay": self._on_packets(Packets.delay),
            "loss": self._on_packets(Packets.loss),
            "throttle": self._on_packets(Packets.throttle),
            "round-trip": self._on_packets(Packets.round_trip),
            "rate": self._on_packets(Packets.rate),
            "bystander": self._on_packets(Packets.bystander),
        }

    def _on_packets(self, case: Callable[[Packets], Figures]) -> Callable[[], Figures]:
        """A case that needs traffic; the first one makes the lab for it."""

        def measured() -> Figures:
            if self._made is None:
                self._made = Packets(quick=self._quick, stack=self._stack)
            return case(self._made)

        return measured


if __name__ == "__main__":
    sys.exit(measure.main(Bench))
