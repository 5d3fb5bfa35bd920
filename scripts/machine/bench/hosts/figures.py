"""What was measured: data that passes from the measuring process to the command as JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

CASES: Final = ("lab", "hundred", "call", "docker", "docker-call")
"""In the order in which a round makes them."""
OF_DOCKER: Final = frozenset({"docker", "docker-call"})

Figures = dict[str, float]
"""By name: seconds, microseconds of a call, hosts a second, MiB; which of these, its name says."""


@dataclass(slots=True)
class Measured:
    """Everything that a run gave.

    Args:
        rounds: of each case, one entry a round.
        failures: why a case has no figures, or no more of them.
        hosts: how many the case `hundred` made.
        machine: where it was measured.
    """

    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    hosts: int = 0
    machine: dict[str, Any] = field(default_factory=dict)

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Measured":
        """What `as_plain` gave."""
        return cls(**plain)
