"""A two-host lab by hand: `ip` commands, then an empty Python program on each host, one after the other.

    python3 -m scripts.machine.bench.hosts.by_hand PYTHON

runs as root of a scratch user, network and mount namespace (`unshare -Urnm`), so that nothing of the machine
is touched and nothing is left. Each line on standard input makes such a lab and clears it away; the answer is
the seconds that making it took.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

_HOSTS: Final = ("a", "b")
_SET_UP: Final = (
    "ip netns add a",
    "ip netns add b",
    "ip link add br0 type bridge",
    "ip link set br0 up",
    "ip link add va type veth peer name eth0 netns a",
    "ip link add vb type veth peer name eth0 netns b",
    "ip link set va master br0 up",
    "ip link set vb master br0 up",
    "ip -n a addr add 10.98.0.10/24 dev eth0",
    "ip -n b addr add 10.98.0.11/24 dev eth0",
    "ip -n a link set lo up",
    "ip -n b link set lo up",
    "ip -n a link set eth0 up",
    "ip -n b link set eth0 up",
)
_CLEAR: Final = ("ip link del va", "ip link del vb", "ip link del br0", "ip netns del a", "ip netns del b")


def make(python: str) -> float:
    """Make the lab; the seconds that it took."""
    started = time.perf_counter()
    for line in _SET_UP:
        _run(line.split())
    for host in _HOSTS:
        _run(["nsenter", f"--net=/run/netns/{host}", python, "-c", "pass"])
    return time.perf_counter() - started


def _run(argv: Sequence[str]) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def main(python: str) -> None:
    """Serve standard input."""
    _run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    for _line in sys.stdin:
        seconds = make(python)
        for line in _CLEAR:
            _run(line.split())
        sys.stdout.write(f"{seconds}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
