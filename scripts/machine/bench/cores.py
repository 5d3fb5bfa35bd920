"""Which core runs what."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of a run; equal, when server and generator share one."""

    server: int
    generator: int


def choose(*, two: bool, available: frozenset[int] | None = None) -> Cores:
    """Take the last cores: the kernel serves most interrupts on the first.

    Args:
        two: the generator gets a core of its own, where there is one.
        available: cores that we may use; None: ask the kernel.
    """
    cores = sorted(available if available is not None else os.sched_getaffinity(0))
    return Cores(server=cores[-1], generator=cores[-2 if two and len(cores) > 1 else -1])


def stand_aside(cores: Cores) -> None:
    """Keep this process off the cores that are measured, where there are others."""
    if others := os.sched_getaffinity(0) - {cores.server, cores.generator}:
        os.sched_setaffinity(0, others)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile, by this thread, starts on a core and stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
