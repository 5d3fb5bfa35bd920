"""What faults do to packets, on a lab of two namespaces: how late, how many lost, at what rate, at what cost.

Faults are put on the host that receives, as a network would have them. The programs on the hosts (`traffic`)
run for as long as the lab, so that every turn of a case finds them where the one before left them.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import fmean, median, quantiles, stdev
from typing import TYPE_CHECKING, Any, Final

from scripts.machine.bench.accounting import PROC, cpu_of
from scripts.machine.bench.faults import interval, traffic
from scripts.machine.bench.faults.figures import BARE, row
from scripts.machine.bench.hosts.figures import Figures
from scripts.machine.bench.hosts.labs import PAIR, name
from scripts.machine.bench.hosts.memory import descendants
from socketlab.faults.making import corrupt, delay, drop, loss, probability, throttle
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab, lab
from socketlab.wire.fault import Fault

if TYPE_CHECKING:
    from socketlab.hosts.programs import Program

PORT: Final = 7000
OTHER_PORT: Final = 7001
ECHO_PORT: Final = 7002
DELAYS: Final = (0.005, 0.020, 0.100)
LOSSES: Final = (0.01, 0.1, 0.5)
RATES: Final = (1_000_000, 10_000_000, 100_000_000)
SENT: Final = 10_000
"""Datagrams, of each loss."""
_SOURCE: Final = Path(traffic.__file__).read_text(encoding="utf-8")
_SIZE: Final = 1000
_FRAME: Final = _SIZE + 8 + 20 + 14
"""Bytes on the wire: UDP, IPv4, Ethernet."""
_SMALL: Final = 64
_LATE_RATE: Final = 500
_LOSS_RATE: Final = 10_000
_OFFERED: Final = 2
"""Times the rate that a throttle lets pass."""
_RARE: Final = 1e-9
"""A chance that never comes: the emulator decides about each packet, and lets it go."""
_TURNS: Final = 5
_SECONDS: Final = 60.0
_US: Final = 1000.0


def _lab_seconds() -> float:
    """The CPU time of what a lab of namespaces consists of: its agents, and actors, which idle meanwhile."""
    total = 0.0
    for pid in descendants(os.getpid()):
        with suppress(OSError):  # it ended just now
            if b"services.nursery" in (PROC / str(pid) / "cmdline").read_bytes():
                total += cpu_of(pid)
    return total


class _Talker:
    """A program of `traffic` on a host."""

    def __init__(self, host: Host, what: str, address: str, port: int, stack: ExitStack) -> None:
        argv = ("python3", "-c", _SOURCE, what, address, str(port))
        self._program: Program = stack.enter_context(host.start(argv))
        self.hear()

    def tell(self, *words: object) -> None:
        """Have it do something."""
        if self._program.stdin is not None:
            self._program.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def hear(self) -> Any:
        """Its next answer.

        Raises:
            ConnectionError: it has ended.
        """
        line = self._program.stdout.readline()
        if not line:
            raise ConnectionError(self._program.last_words())
        return json.loads(line)

    def ask(self, *words: object) -> Any:
        """Have it do something, and what it answers."""
        self.tell(*words)
        return self.hear()


class Packets:
    """A lab of two hosts, and traffic between them.

    Args:
        quick: fewer packets.
        stack: what it opens goes with this.
    """

    def __init__(self, *, quick: bool, stack: ExitStack) -> None:
        self._share = 10 if quick else 1
        self._lab: Lab = stack.enter_context(lab(name(), hosts=PAIR, backend="namespace"))
        self._server = self._lab["server"]
        client, address = self._lab["client"], self._server.address
        self._sink = _Talker(self._server, "sink", address, PORT, stack)
        self._source = _Talker(client, "source", address, PORT, stack)
        self._echo = _Talker(self._server, "echo", address, ECHO_PORT, stack)
        self._ping = _Talker(client, "ping", address, ECHO_PORT, stack)

    @contextmanager
    def _with(self, *faults: Fault | None) -> Iterator[None]:
        with ExitStack() as stack:
            for fault in faults:
                if fault is not None:
                    stack.enter_context(self._server.faults.apply(fault))
            yield

    def _flow(self, kind: str, count: int, size: int, rate: int, *faults: Fault | None) -> dict[str, Any]:
        """Send datagrams, and what came of them."""
        with self._with(*faults):
            self._sink.ask(kind)
            sent = self._source.ask(count, size, rate)
            seen: dict[str, Any] = self._sink.hear()
        return {**seen, "sent": count - sent["refused"], "sending": sent["seconds"]}

    # -- exactness

    def delay(self) -> Figures:
        """How much later than asked datagrams come; one after the other, so that none waits for another."""
        found: Figures = {}
        count = max(200, 1000 // self._share)
        for seconds in (0.0, *DELAYS):
            fault = delay(seconds, port=PORT, proto="udp") if seconds else None
            seen = self._flow("late", count, _SMALL, _LATE_RATE, fault)["late"]
            errors = [(each - seconds * 1e9) / _US for each in seen]
            cuts = quantiles(errors, n=100, method="inclusive")
            found |= row(
                f"delay {seconds * 1000:g} ms" if seconds else BARE,
                p50_us=cuts[49],
                p99_us=cuts[98],
                most_us=max(errors),
                least_us=min(errors),
                early=sum(each < 0 for each in errors),
            )
        return found

    def loss(self) -> Figures:
        """How many datagrams of 10,000 are lost."""
        found: Figures = {}
        faults = {f"loss {share:.0%}": (share, loss(share, port=PORT, proto="udp")) for share in LOSSES}
        nft = drop(port=PORT, proto="udp", which=probability(0.1))
        for label, (share, fault) in {
            BARE: (0.0, None),
            **faults,
            "drop --probability 10%": (0.1, nft),
        }.items():
            seen = self._flow("count", SENT // self._share, _SMALL, _LOSS_RATE, fault)
            lost = seen["sent"] - seen["count"] - seen["not_taken"]
            low, high = interval.of_count(share, seen["sent"]) if share else (0, 0)
            found |= row(
                label,
                sent=seen["sent"],
                lost=lost,
                low=low,
                high=high,
                ratio=lost / (share * seen["sent"]) if share else 1.0,
                outside=float(not low <= lost <= high),
            )
        return found

    def throttle(self) -> Figures:
        """At what rate datagrams come, of twice as many as may."""
        found: Figures = {}
        for bits in RATES:
            per_second = bits / 8 / _FRAME
            seconds = max(1.0, 3.0 / self._share)
            for fault in (None, throttle(bits, port=PORT, proto="udp")):
                offered = int(per_second * _OFFERED)
                seen = self._flow("rate", int(offered * seconds), _SIZE, offered, fault)
                ratios = [each / per_second for each in seen["rates"]]
                if not ratios:
                    raise ConnectionError(f"throttle {bits}: {seen}")
                mean = fmean(ratios)
                low, high = interval.of_ratio(mean, stdev(ratios), len(ratios))
                label = f"{bits // 1_000_000} Mbit/s"
                found |= row(
                    label if fault else f"{BARE}, {label}",
                    mbit=mean * bits / 1e6,
                    ratio=mean,
                    low=low,
                    high=high,
                    off=abs(mean - 1),
                    not_taken=seen["not_taken"],
                )
        return found

    # -- what it costs

    def round_trip(self) -> Figures:
        """A datagram there and back: bare, and through the emulator on the way there."""
        ways: dict[str, tuple[Fault, ...]] = {
            BARE: (),
            "queue": (loss(_RARE, port=ECHO_PORT, proto="udp", seed=1),),
            "queue, changed": (corrupt(checksum="valid", port=ECHO_PORT, proto="udp", seed=1),),
        }
        return self._in_turns(ways)

    def bystander(self) -> Figures:
        """A datagram there and back, beside faults on another port; and bare twice, which is the noise."""
        udp: Any = {"port": OTHER_PORT, "proto": "udp"}
        ways: dict[str, tuple[Fault, ...]] = {
            BARE: (),
            "bare again": (),
            "nft": (drop(**udp),),
            "queue": (delay(0.02, **udp),),
            "tc": (throttle(10_000_000, **udp),),
        }
        return self._in_turns(ways)

    def _in_turns(self, ways: dict[str, tuple[Fault, ...]]) -> Figures:
        took: dict[str, list[list[float]]] = {way: [] for way in ways}
        count = max(200, 2000 // self._share)
        for _ in range(_TURNS):
            for way, faults in ways.items():
                with self._with(*faults):
                    time.sleep(0.01)  # the work of putting it in force is over
                    took[way].append([each / _US for each in self._ping.ask(count)])
        found: Figures = {}
        bare = [median(turn) for turn in took[BARE]]
        for way, turns in took.items():
            middles = [median(turn) for turn in turns]
            cuts = quantiles([each for turn in turns for each in turn], n=100, method="inclusive")
            # Of neighbours in a turn: the machine's mood changes from turn to turn.
            added = median(mine - theirs for mine, theirs in zip(middles, bare, strict=True))
            ratio = median(mine / theirs for mine, theirs in zip(middles, bare, strict=True))
            found |= row(way, p50_us=median(middles), p99_us=cuts[98], added_us=added, ratio=ratio)
        return found

    def rate(self) -> Figures:
        """How many datagrams a second come through, of as many as the client can send."""
        found: Figures = {}
        count = 200_000 // self._share
        faults: dict[str, Fault | None] = {
            BARE: None,
            "queue": loss(_RARE, port=PORT, proto="udp", seed=1),
            "queue, logged": delay(0.001, port=PORT, proto="udp"),
        }
        for label, fault in faults.items():
            with self._with(fault):
                before = _lab_seconds()
                seen = self._flow("count", count, _SMALL, 0)
                spent = _lab_seconds() - before
            came = seen["count"] + seen["not_taken"]
            found |= row(
                label,
                per_s=came / seen["seconds"] if seen["seconds"] else 0.0,
                offered_per_s=count / seen["sending"],
                came=came / seen["sent"],
                cpu_us=spent / came * 1e6,
            )
        return found
