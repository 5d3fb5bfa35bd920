"""What labs and calls are to cost at most, and whether they do."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from scripts.machine.bench.hosts.figures import Figures, Measured
from scripts.machine.bench.targets import Verdict


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to reach.

    Args:
        case: whose.
        key: of the sentence under `scripts.bench.target`.
        figure: name of the figure.
        over: the figure of the same round that it is divided by; empty: none.
        target: what to reach.
        most: the target must not be exceeded, instead of reached.
    """

    case: str
    key: str
    figure: str
    over: str
    target: float
    most: bool = True


TARGETS: Final = (
    Target("lab", "hosts-cold", "cold_s", "by_hand_s", 1.0),
    Target("lab", "hosts-warm", "warm_s", "by_hand_s", 0.25),
    Target("hundred", "hosts-rate", "hosts_per_s", "", 100.0, most=False),
    Target("hundred", "hosts-memory", "mib_per_host", "", 12.0),
    Target("call", "hosts-quick", "quick_us", "ping_us", 2.0),
    Target("call", "hosts-blocking", "blocking_us", "ping_us", 2.0),
    Target("docker", "hosts-docker", "lab_s", "by_hand_s", 1.5),
    Target("docker", "hosts-pool", "pool_ms", "", 50.0),
    Target("docker-call", "hosts-docker-quick", "quick_us", "ping_us", 3.0),
    Target("docker-call", "hosts-docker-blocking", "blocking_us", "ping_us", 3.0),
)


def ratio(rounds: Iterable[Figures], figure: str, over: str) -> float | None:
    """The median of a figure, or of its ratio to another one of the same round; None: there is none."""
    found = [
        figures[figure] / (figures[over] if over else 1.0)
        for figures in rounds
        if figure in figures and (not over or figures.get(over))
    ]
    return median(found) if found else None


def judge(measured: Measured) -> list[Verdict]:
    """Hold what was measured against the targets of the cases that were asked for."""
    return [
        Verdict(
            case=each.case,
            key=each.key,
            who=each.figure,
            other=each.over,
            target=each.target,
            seen=ratio(measured.rounds.get(each.case, ()), each.figure, each.over),
            most=each.most,
        )
        for each in TARGETS
        if each.case in measured.rounds or each.case in measured.failures
    ]
