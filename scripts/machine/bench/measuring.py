"""One run: a contender, in a case, as fresh processes."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.machine.bench.accounting import Memory, cpu_seconds, memory
from scripts.machine.bench.cases import ACCEPTED_BEFORE, ACCEPTS, CHURN, Case, Kind
from scripts.machine.bench.contenders import BY_NAME, LOAD_IN_PYTHON, C, Contender
from scripts.machine.bench.cores import Cores
from scripts.machine.bench.failures import FailedRunError
from scripts.machine.bench.generator import Result, Stops, stepped, straight
from scripts.machine.bench.room import FORKED_KIB, make_room, need_memory
from scripts.machine.bench.samples import Footprint, FramedSample, Measured, Sample
from scripts.machine.bench.serving import Server, serving
from scripts.machine.environment import PYTHON
from services.protocol import framing

HOST: Final = "127.0.0.1"
WARM_UP: Final = 0.05
"""Seconds that nothing is counted; less than a run itself, where that is shorter still."""
MESSAGE_SIZE: Final = 64
"""Bytes of a message, and of a framed request."""
VISITS_DEADLINE: Final = 120.0
"""Seconds for connections that come and go to be counted, not timed: 10,000 forks take about 20."""
SETTLED: Final = 0.3
"""Seconds in which a server has ended the threads and processes of connections that are over."""
_MICRO: Final = 1e6
_NANO_IN_MICRO: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every run needs.

    Args:
        compiled: folder of the C programs.
        cores: where server and generator run.
        seconds: of measuring.
        churn: connections that come and go in the case `growth`.
    """

    compiled: Path
    cores: Cores
    seconds: float
    churn: int = CHURN

    def measure(self, case: Case, name: str) -> Measured:
        """Measure one contender in one case.

        Args:
            case: one in which it has a part.
            name: the contender's; in the case `load`, the generator's.

        Raises:
            FailedRunError: it did not do its part.
        """
        match case.kind:
            case Kind.RATE:
                return self._rate(case, BY_NAME[name])
            case Kind.FRAMED:
                return self._framed(case, BY_NAME[name])
            case Kind.IDLE:
                return self._idle(case, BY_NAME[name])
            case Kind.GROWTH:
                return self._growth(case, BY_NAME[name])
            case Kind.LOAD:
                return self._load(case, name)

    def _rate(self, case: Case, contender: Contender) -> Sample:
        if case.mode == "accepts":
            make_room(ACCEPTS)
        with self._serving(case, contender) as server:
            return self._drive(case, server, case.mode)

    def _framed(self, case: Case, contender: Contender) -> FramedSample:
        with self._serving(case, contender) as server:
            echo = self._drive(case, server, "pingpong", "--size", str(MESSAGE_SIZE))
        with self._serving(case, contender, "framed") as server:
            return FramedSample(echo, self._drive(case, server, case.mode, *frames()))

    def _serving(
        self, case: Case, contender: Contender, protocol: str = "echo"
    ) -> AbstractContextManager[Server]:
        argv = contender.argv(case, self.compiled, protocol)
        return serving(argv, case.transport, self.cores.server)

    def _drive(self, case: Case, server: Server, mode: str, *more: str) -> Sample:
        """Put a server under load; read its clocks at the stops."""
        clocks: list[float] = []

        def read_clocks() -> None:
            clocks.append(cpu_seconds(server.group))

        argv = self._generator(case, server.port, mode, *case.generator, *more)
        result = stepped(argv, self.cores.generator, self.seconds, Stops(read_clocks, read_clocks))
        before, after = clocks
        return _sample(result, after - before)

    def _generator(self, case: Case, port: int, mode: str, *more: str) -> list[str]:
        load = str(self.compiled / "load")
        times = ("--seconds", str(self.seconds), "--warm-up", str(min(WARM_UP, self.seconds)))
        return [load, mode, HOST, str(port), "--connections", str(case.connections), *times, *more]

    def _idle(self, case: Case, contender: Contender) -> Footprint:
        """Open the connections, and look at the server's memory before and meanwhile."""
        if contender.forks:
            need_memory(case.connections * FORKED_KIB)
        read: list[Memory] = []
        with self._serving(case, contender) as server:

            def look() -> None:
                read.append(memory(server.group))

            # What the first connections ever bring about is not the price of one more.
            self._visit(server, case.connections // 20)
            look()
            argv = self._generator(case, server.port, case.mode)
            stepped(argv, self.cores.generator, 0.0, Stops(look, lambda: None))
        before, during = read
        return Footprint(before, during, case.connections)

    def _growth(self, case: Case, contender: Contender) -> Footprint:
        """Look at the server's memory before and after many connections."""
        with self._serving(case, contender) as server:
            self._visit(server, ACCEPTED_BEFORE)
            before = memory(server.group)
            self._visit(server, self.churn)
            return Footprint(before, memory(server.group), self.churn)

    def _visit(self, server: Server, count: int) -> None:
        """Let so many connections come and go, one after another."""
        make_room(count)
        load = str(self.compiled / "load")
        how = ("--count", str(count), "--seconds", str(VISITS_DEADLINE), "--warm-up", "0")
        argv = [load, "accepts", HOST, str(server.port), *how]
        result = straight(argv, self.cores.generator, VISITS_DEADLINE)
        if (seen := result["operations"]) < count:
            raise FailedRunError(
                "machine.bench-visits", seen=seen, expected=count, seconds=f"{VISITS_DEADLINE:g}"
            )
        time.sleep(SETTLED)

    def _load(self, case: Case, name: str) -> Sample:
        """Drive the server in C, by the generator of that name; the CPU time is the generator's own."""
        with self._serving(case, BY_NAME[C]) as server:
            argv = self._generator(case, server.port, case.mode)
            if name == LOAD_IN_PYTHON:
                argv = self._load_in_python(case, server.port)
            result = straight(argv, self.cores.generator, self.seconds)
        if name == LOAD_IN_PYTHON:
            return _sample_of_client(result)
        return _sample(result, result["cpu_seconds"])

    def _load_in_python(self, case: Case, port: int) -> list[str]:
        target = [str(PYTHON), "-m", "services.client", "load", "tcp", HOST, str(port)]
        times = ["--duration", str(self.seconds), "--warm-up", str(min(WARM_UP, self.seconds))]
        how = ["--connections", str(case.connections), "--size", str(MESSAGE_SIZE)]
        return [*target, *how, *times, "--json"]


def frames() -> tuple[str, ...]:
    """The frames that the generator sends, as its arguments; it gives each request an id of its own."""
    now = time.time_ns()

    def request(value: str) -> bytes:
        payload = framing.to_json({"op": "echo", "value": value})
        return framing.frame(framing.Kind.REQUEST, 1, payload, now)

    hello = framing.frame(framing.Kind.HELLO, framing.SESSION, framing.to_json({"nonce": "bench"}), now)
    filled = request("x" * (MESSAGE_SIZE - len(request(""))))
    return "--hello", hello.hex(), "--request", filled.hex()


def _sample(result: Result, cpu: float) -> Sample:
    return Sample(
        rate=result["operations"] / result["seconds"],
        cpu=_by_operation(cpu, result["operations"]),
        p50=result.get("p50_us"),
        p99=result.get("p99_us"),
        lost=result["lost"],
    )


def _sample_of_client(result: Result) -> Sample:
    """What `services.client load --json` tells; an answer that did not come, or was wrong, is no answer."""
    cpu = _by_operation(result["cpu"]["seconds"], result["requests"]["answered"])
    latency = result["latency_ns"]
    return Sample(
        rate=result["requests_per_second"],
        cpu=cpu,
        p50=latency["p50"] / _NANO_IN_MICRO,
        p99=latency["p99"] / _NANO_IN_MICRO,
    )


def _by_operation(cpu: float, operations: int) -> float:
    """CPU time in µs; there is some, or what was measured is not what it seems."""
    if operations <= 0 or cpu <= 0.0:
        raise FailedRunError("machine.bench-no-figure", operations=operations, cpu=f"{cpu:.3f}")
    return cpu * _MICRO / operations
