"""Our labs in containers, beside two bare `docker run`."""

import time
from typing import Final

from scripts.machine.bench.hosts.figures import Figures
from scripts.machine.bench.hosts.labs import PAIR, await_answers, name, timed
from scripts.machine.bench.hosts.yardsticks import docker_pair
from socketlab.hosts.docker import Pool
from socketlab.hosts.docker.recipe import HOST_IMAGE
from socketlab.hosts.lab import lab

_SECONDS: Final = 60.0


def one_round() -> Figures:
    """One round: by hand, a lab of ours, and one that was made ahead."""
    by_hand = docker_pair(HOST_IMAGE)
    made, closed = timed("docker", agents=False)
    return {"by_hand_s": by_hand, "lab_s": made, "close_s": closed, "pool_ms": _from_pool() * 1000}


def _from_pool() -> float:
    """Seconds until the actors of a lab answer that was ready when it was asked for.

    Raises:
        TimeoutError: the pool did not get ready.
    """
    asked = lab(name(), hosts=PAIR, backend="docker")
    with Pool(asked.spec, ready=1) as pool:
        if not pool.wait(_SECONDS):
            raise TimeoutError(pool)
        started = time.perf_counter()
        with lab(name(), hosts=PAIR, backend=pool) as made:
            await_answers(made, agents=False)
            return time.perf_counter() - started
