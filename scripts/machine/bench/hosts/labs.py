"""Our labs, measured: from entering `lab()` until every actor and every agent has answered."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from scripts.machine import ROOT
from scripts.machine.bench.hosts.figures import Figures
from scripts.machine.bench.hosts.memory import pss_mib
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.spec import HostSpec
from socketlab.wire.message import Leases, List, decode, encode

PAIR: Final = ("client", "server")
_AT_ONCE: Final = 16
_SECONDS: Final = 120.0


def name() -> str:
    """A name that no other lab has."""
    return f"bench-{secrets.token_hex(4)}"


def await_answers(made: Lab, *, agents: bool = True) -> None:
    """Have every actor, and every agent, of a lab answer."""
    for host in made.hosts.values():
        host.actor.call("gethostname")
    if agents:
        with ThreadPoolExecutor(_AT_ONCE) as together:
            list(together.map(lambda name: ask_agent(made, name), made.hosts))


def ask_agent(made: Lab, host: str) -> None:
    """Ask an agent which faults it holds.

    Raises:
        ConnectionError: it answers something else.
    """
    stream = made.machines.agent(host)
    try:
        stream.send(encode(List(1)))
        heard = b""
        while not heard.endswith(b"\n"):
            heard += stream.receive(_SECONDS)
    finally:
        stream.close()
    answer = decode(heard)
    if not isinstance(answer, Leases):
        raise ConnectionError(answer)


def timed(backend: str, *, agents: bool = True) -> tuple[float, float]:
    """Make a two-host lab and close it; the seconds that either took."""
    started = time.perf_counter()
    with lab(name(), hosts=PAIR, backend=backend) as made:
        await_answers(made, agents=agents)
        ready = time.perf_counter()
    return ready - started, time.perf_counter() - ready


def cold_and_warm(warm: int) -> Figures:
    """Two-host labs on namespaces by a fresh process: the first of its life, and more of them."""
    argv = [sys.executable, "-m", "scripts.machine.bench.hosts.labs", str(warm)]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=_SECONDS)
    figures: Figures = json.loads(done.stdout)
    return figures


def crowd(count: int) -> Figures:
    """One lab of many hosts: how many come up in a second, and their memory."""
    hosts = [HostSpec(name=f"h{number}") for number in range(count)]
    started = time.perf_counter()
    with lab(name(), hosts=hosts, backend="namespace") as made:
        await_answers(made)
        took = time.perf_counter() - started
        memory = pss_mib()
        closing = time.perf_counter()
    return {
        "hosts_per_s": count / took,
        "mib_per_host": memory / count,
        "close_s": time.perf_counter() - closing,
    }


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def main(warm: int) -> dict[str, Any]:
    """Be the fresh process."""
    cold, closed = timed("namespace")
    pairs = [timed("namespace") for _ in range(warm)]
    return {
        "cold_s": cold,
        "warm_s": _median([made for made, _ in pairs]),
        "close_s": _median([closed, *(closed for _, closed in pairs)]),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]))) + "\n")
