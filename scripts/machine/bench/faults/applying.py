"""How long a fault takes to be put in force, and healed, from a lab's controller."""

import time
from statistics import quantiles
from typing import Final, TypeAlias

from scripts.machine.bench.faults import kinds
from scripts.machine.bench.faults.figures import row
from scripts.machine.bench.hosts.figures import Figures
from scripts.machine.bench.hosts.labs import PAIR, name
from socketlab.hosts.lab import lab

WARM_UP: Final = 3
"""The first of a kind loads modules, here and in the kernel."""
_MS: Final = 1000.0
Took: TypeAlias = dict[str, tuple[list[float], list[float]]]
"""Of each kind the milliseconds to put it in force, and to heal it."""


def from_controller(backend: str, times: int) -> Figures:
    """`host.faults.apply` and `lease.heal`, every kind so often in turn, on a lab of two hosts.

    Args:
        backend: of the lab.
        times: so often.
    """
    took: Took = {kind: ([], []) for kind in kinds.ALL}
    with lab(name(), hosts=PAIR, backend=backend) as made:
        faults, address = made["server"].faults, made[kinds.PEER].address
        for number in range(WARM_UP + times):
            for kind, (applied, healed) in took.items():
                fault = kinds.fault(kind, address)
                began = time.perf_counter()
                lease = faults.apply(fault)
                done = time.perf_counter()
                lease.heal()
                if number >= WARM_UP:
                    applied.append((done - began) * _MS)
                    healed.append((time.perf_counter() - done) * _MS)
    return figures_of(took)


def figures_of(took: Took) -> Figures:
    """Medians and 95th percentiles.

    Args:
        took: by a case.
    """
    found: Figures = {}
    for kind, (applied, healed) in took.items():
        apply, heal = (quantiles(each, n=20, method="inclusive") for each in (applied, healed))
        found |= row(
            kind, apply_p50_ms=apply[9], apply_p95_ms=apply[18], heal_p50_ms=heal[9], heal_p95_ms=heal[18]
        )
    return found
