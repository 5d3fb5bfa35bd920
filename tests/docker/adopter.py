"""A controller to be killed: `adopter.py PROJECT` adopts it, does what outlives processes, and waits."""

import signal
import sys

from socketlab.faults import drop, throttle
from socketlab.hosts.docker.adopted_lab import adopt


def main() -> None:
    """Do it."""
    lab = adopt(sys.argv[1], f"{sys.argv[1]}-killed").open()
    lab.redis.faults.apply(drop(peer="app", port=6379))
    lab.redis.faults.apply(throttle(1_000_000))
    lab.web.pause()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
