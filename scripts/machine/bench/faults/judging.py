"""What faults are to reach, and whether they do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from scripts.machine.bench.faults import kinds
from scripts.machine.bench.faults.figures import BARE, values
from scripts.machine.bench.hosts.figures import Measured
from scripts.machine.bench.targets import Verdict


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to reach: by the worst of some rows.

    Args:
        case: whose.
        key: of the sentence under `scripts.bench.target`.
        rows: that are judged.
        column: their figure.
        target: what to reach.
        most: the target must not be exceeded, instead of reached.
        of_rounds: makes one figure of the rounds'.
    """

    case: str
    key: str
    rows: tuple[str, ...]
    column: str
    target: float
    most: bool = True
    of_rounds: Callable[[Iterable[float]], float] = median


_QUICK: Final = (*kinds.NFT, *kinds.EMULATOR)
_SLOW: Final = tuple(kinds.TC_AND_ROUTES)
_DELAYS: Final = ("delay 5 ms", "delay 20 ms", "delay 100 ms")
_LOSSES: Final = ("loss 1%", "loss 10%", "loss 50%", "drop --probability 10%")

TARGETS: Final = (
    Target("agent", "faults-agent", _QUICK, "apply_p95_ms", 1.0),
    Target("agent", "faults-agent-slow", _SLOW, "apply_p95_ms", 10.0),
    Target("docker", "faults-docker", _QUICK, "apply_p95_ms", 3.0),
    Target("docker", "faults-docker-slow", _SLOW, "apply_p95_ms", 10.0),
    *(Target("delay", "faults-delay", (delay,), "p99_us", 1500.0) for delay in _DELAYS),
    Target("delay", "faults-early", _DELAYS, "early", 0.0, of_rounds=sum),
    *(Target("loss", "faults-loss", (loss,), "outside", 0.0, of_rounds=sum) for loss in _LOSSES),
    *(Target("throttle", "faults-throttle", (f"{rate} Mbit/s",), "off", 0.05) for rate in (1, 10, 100)),
    Target("round-trip", "faults-round-trip", ("queue",), "added_us", 60.0),
    Target("rate", "faults-rate", ("queue, logged",), "per_s", 50_000.0, most=False),
    *(Target("bystander", "faults-bystander", (way,), "ratio", 1.05) for way in ("nft", "queue", "tc")),
)


def judge(measured: Measured) -> list[Verdict]:
    """Hold what was measured against the targets of the cases that were asked for."""
    return [
        _verdict(each, measured)
        for each in TARGETS
        if each.case in measured.rounds or each.case in measured.failures
    ]


def _verdict(target: Target, measured: Measured) -> Verdict:
    found = {
        row: target.of_rounds(seen)
        for row in target.rows
        if (seen := values(measured.rounds.get(target.case, ()), row, target.column))
    }
    worst = (max if target.most else min)(found, key=lambda row: found[row], default=None)
    return Verdict(
        case=target.case,
        key=target.key,
        who=worst or target.rows[0],
        other=BARE,
        target=target.target,
        seen=None if worst is None else found[worst],
        most=target.most,
    )
