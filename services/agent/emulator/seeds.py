"""Seeds for a fault's chance that nobody has given."""

import dataclasses
import random
from collections.abc import Callable
from typing import TypeVar

from socketlab.wire.fault import Corrupt, Delay, Fault, Loss, match_of, with_match

F = TypeVar("F", bound=Fault)

_LARGEST = 2**32


def drawn() -> int:
    """A seed from the system's randomness; short enough to be typed again."""
    return random.SystemRandom().randrange(_LARGEST)


def seeded(fault: F, draw: Callable[[], int] = drawn) -> F:
    """The same fault, with a seed wherever chance is asked for and none was given."""
    has_chance = isinstance(fault, Loss | Corrupt) or (isinstance(fault, Delay) and fault.jitter > 0)
    if has_chance and getattr(fault, "seed") is None:  # noqa: B009 - mypy knows no such member of a type variable
        fault = dataclasses.replace(fault, seed=draw())  # type: ignore[arg-type] # those have one
    match = match_of(fault)
    which = match and match.which
    if match and which and which.probability is not None and which.seed is None:
        fault = with_match(fault, dataclasses.replace(match, which=dataclasses.replace(which, seed=draw())))
    return fault
