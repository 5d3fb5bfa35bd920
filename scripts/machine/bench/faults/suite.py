"""`scripts/bench faults`, as `hosts.front` is told of it."""

from typing import Final

from scripts.machine.bench.faults import judging, telling
from scripts.machine.bench.faults.figures import CASES, OF_DOCKER
from scripts.machine.bench.hosts.front import Suite

FAULTS: Final = Suite(
    cases=CASES,
    of_docker=OF_DOCKER,
    module="scripts.machine.bench.faults.measure",
    judge=judging.judge,
    tables=telling.tables,
    heading="faults.targets",
    rounds=3,
)
