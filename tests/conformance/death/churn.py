"""Controllers to be killed: each puts faults in force on a lab that somebody else holds, and heals them.

    python -m tests.conformance.death.churn LAB

It waits, with everything imported. For each line on its stdin, a seed, it forks one that attaches to the lab
and applies and heals faults of every mechanism in an order drawn from the seed, until it is killed. The line
on stdout is that one's pid, once its first fault is in force.
"""

import os
import random
import signal
import sys
from contextlib import suppress
from typing import Final

from socketlab.errors import AgentError
from socketlab.faults import delay, drop, loss, mtu, neighbour, partition, reject, route, throttle
from socketlab.holder import attach
from socketlab.hosts.faulting import FaultLease
from socketlab.hosts.lab import Lab

FAULTS: Final = (
    drop(peer="client", port=7000),
    reject("icmp-host", peer="client", port=7002, family="ipv4"),
    delay(0.02, peer="client", port=7001),
    loss(0.5, peer="client", port=7004),
    throttle(1_000_000, peer="client", port=7003),
    route("throw", "198.51.100.1"),
    route("unreachable", "198.51.100.2"),
    mtu(1400),
    neighbour("client"),
    partition(["client"], ["server"]),
)
_MOST: Final = 5


def put_and_heal(lab: Lab, draw: random.Random, in_force: list[FaultLease]) -> None:
    """One step: a fault more, or one less."""
    if in_force and (len(in_force) >= _MOST or draw.random() < 0.4):
        in_force.pop(draw.randrange(len(in_force))).heal()
        return
    fault = draw.choice(FAULTS)
    on = None if fault.kind == "partition" else "server"
    with suppress(AgentError):  # there is one of that kind already
        in_force.append(lab.faults.apply(fault, on=on))


def churn(name: str, seed: str) -> None:
    """Until killed."""
    draw = random.Random(seed)  # noqa: S311 - drawn again from its seed
    with attach(name) as lab:
        in_force: list[FaultLease] = [lab.faults.apply(FAULTS[0], on="server")]
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        while True:
            put_and_heal(lab, draw, in_force)


def main() -> None:
    """Fork one a line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in iter(sys.stdin.readline, ""):
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            churn(sys.argv[1], line)


if __name__ == "__main__":
    main()
