"""How long a fault takes in the agent: `python3 -m scripts.machine.bench.faults.inside TIMES`.

Runs as root of a scratch user and network namespace (`unshare -Urn`), with an agent's own parts and no other
process: what is timed is from the line of a request to the line of its answer. The milliseconds go to
standard output as JSON.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from selectors import SelectSelector
from statistics import quantiles
from typing import Final

from scripts.machine import ROOT
from scripts.machine.bench.faults import kinds
from scripts.machine.bench.faults.applying import WARM_UP, Took, figures_of
from scripts.machine.bench.faults.figures import row
from scripts.machine.bench.hosts.figures import Figures
from services.agent.console import log
from services.agent.faults import Change, Faults
from services.agent.journal import Journal
from services.agent.means import Means
from services.agent.probes import Probes
from services.agent.requests import Requests, line_of
from services.agent.watching import Watches
from services.messages import ServiceError
from socketlab.wire.fault import Fault
from socketlab.wire.lease import Lease
from socketlab.wire.message import Add, Applied, Heal, Leases, Message, decode, encode
from socketlab.wire.words import resolved, words

_SECONDS: Final = 300.0
_PEER: Final = ("10.98.0.20", "fd00:98::20")
_SET_UP: Final = (
    "ip link set lo up",
    "ip link add eth0 type veth peer name peer0",
    "ip addr add 10.98.0.10/24 dev eth0",
    "ip addr add fd00:98::10/64 dev eth0 nodad",
    "ip link set eth0 up",
    "ip link set peer0 up",
)


def in_agent(times: int) -> Figures:
    """Every kind so often in turn, by a process in a namespace of its own."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "--fork", "--kill-child"]
    argv += [sys.executable, "-m", "scripts.machine.bench.faults.inside", str(times)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=_SECONDS, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ChildProcessError(f"{argv[-2]}: {done.returncode}: {last}")
    took, cpu = json.loads(done.stdout)
    found = figures_of(took)
    for kind, milliseconds in cpu.items():
        found |= row(kind, cpu_p95_ms=quantiles(milliseconds, n=20, method="inclusive")[18])
    return found


class _Client:
    """Who asks; it stays."""

    number = 1

    def attach(self) -> None:
        """There is room."""


class _Agent:
    """An agent's parts, without its loop and its sockets."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        selector = stack.enter_context(SelectSelector())
        self.means = Means(selector, Journal(folder), folder, frozenset())
        stack.callback(self.means.close)
        faults = Faults(self.means.mechanisms, self.means.answers, None, _tell)
        stack.callback(faults.close)
        watches = Watches(selector, faults.leases, self.means.emulator, line_of)
        stack.callback(watches.close)
        probes = Probes(faults, self.means.filters, self.means.emulator)
        self._desk = Requests(faults, self.means.emulator, probes, watches)

    def ask(self, request: Message) -> tuple[Message, float, float]:
        """The answer, the milliseconds that it took, and those of them on a processor."""
        line = encode(request).rstrip(b"\n")
        cpu_began, began = time.thread_time(), time.perf_counter()
        answer = b"".join(each or b"" for each in self._desk.serve(_Client(), line))
        took, cpu = time.perf_counter() - began, time.thread_time() - cpu_began
        return decode(answer.rstrip(b"\n")), took * 1000, cpu * 1000


def _tell(what: Change, lease: Lease) -> None:
    """As the agent's loop does."""
    log(what, id=lease.id, fault=words(lease.fault), bitten=lease.bitten)


def _fault(kind: str) -> Fault:
    return resolved(kinds.fault(kind, _PEER[0]), lambda _name: _PEER)


def _measured(agent: _Agent, times: int) -> tuple[Took, dict[str, list[float]]]:
    cpu: dict[str, list[float]] = {kind: [] for kind in kinds.ALL}
    took: Took = {kind: ([], []) for kind in kinds.ALL}
    faults = {kind: _fault(kind) for kind in kinds.ALL}
    for number in range(WARM_UP + times):
        for kind, (applied, healed) in took.items():
            answer, apply_ms, cpu_ms = agent.ask(Add(id=1, fault=faults[kind], holder="client"))
            if not isinstance(answer, Applied):
                raise ServiceError("agent.refused", why=f"{kind}: {answer}")
            answer, heal_ms, _ = agent.ask(Heal(2, answer.lease.id))
            if not isinstance(answer, Leases):
                raise ServiceError("agent.refused", why=f"{kind}: {answer}")
            if number >= WARM_UP:
                applied.append(apply_ms)
                cpu[kind].append(cpu_ms)
                healed.append(heal_ms)
    return took, cpu


def main(times: int) -> None:
    """Be the process."""
    for line in _SET_UP:
        subprocess.run(line.split(), check=True, stdin=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        agent = _Agent(Path(folder), stack)
        gc.freeze()
        measured = _measured(agent, times)
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
