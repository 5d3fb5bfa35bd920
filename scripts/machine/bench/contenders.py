"""Who is measured: every style of the lab's server, and what else one could take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.machine.bench.cases import Case, Kind
from scripts.machine.environment import PYTHON

C: Final = "C"
UVLOOP: Final = "uvloop"
REFERENCES: Final = (C, UVLOOP)
"""What the others are held against: never left out."""
LOAD_IN_PYTHON: Final = "load"
"""The other generator in the case `load`; the first is C's."""

MOST_CONNECTIONS: Final = "4000"
SPARE_WORKERS: Final = 8
"""Threads of a pool beside one for each connection: one may still be ending its last."""
WORKERS_MAX: Final = 1000
"""Of the server's command line."""
PREFORKED: Final = "2"
_SERVER: Final = ("-m", "services.server", "--address", "127.0.0.1", "--port", "0", "--no-health")
_LIMITS: Final = ("--max-connections", MOST_CONNECTIONS, "--log-level", "INFO")

Argv = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server to measure.

    Args:
        name: as on the command line and in the tables.
        command: the program and its arguments for a case.
        transports: what it can serve.
        ours: whether it is a style of the lab's server, and so serves `framed`, too.
        one_client: serves one connection at a time.
        forks: makes a process for each connection.
        needs_uvloop: does not run where uvloop is not installed.
    """

    name: str
    command: Callable[[Case, Path, str], Argv]
    transports: frozenset[str] = frozenset({"tcp"})
    ours: bool = False
    one_client: bool = False
    forks: bool = False
    needs_uvloop: bool = False

    def obstacle(self, case: Case) -> str | None:
        """Why it has no part in a case: a key under `scripts.bench.obstacle`; None: it has one."""
        if case.transport not in self.transports:
            return "transport"
        if case.kind is Kind.FRAMED and not self.ours:
            return "protocol"
        if case.kind is Kind.GROWTH and not self.ours:
            return "not-judged"
        if self.one_client and case.connections > 1 and case.transport == "tcp":
            return "one-client"
        return None

    def argv(self, case: Case, compiled: Path, protocol: str = "echo") -> Argv:
        """The program and its arguments.

        Args:
            case: tells the transport and how many connections.
            compiled: folder of the C programs.
            protocol: served; the peers know echo only.
        """
        return self.command(case, compiled, protocol)


def _style(
    name: str,
    *,
    datagrams: bool = False,
    one_client: bool = False,
    forks: bool = False,
    workers: Callable[[Case], Sequence[str]] = lambda _case: (),
) -> Contender:
    def command(case: Case, _compiled: Path, protocol: str) -> Argv:
        what = ("--style", name, "--protocol", protocol, "--transport", case.transport)
        return [str(PYTHON), *_SERVER, *what, *_LIMITS, *workers(case)]

    transports = frozenset({"tcp", "udp"} if datagrams else {"tcp"})
    return Contender(
        name=name,
        command=command,
        transports=transports,
        ours=True,
        one_client=one_client,
        forks=forks,
    )


def _asyncio(name: str, *, with_uvloop: bool) -> Contender:
    """The style that takes uvloop where it finds it; without is made by hiding it."""

    def command(case: Case, compiled: Path, protocol: str) -> Argv:
        python, dash_m, *rest = _style("asyncio", datagrams=True).command(case, compiled, protocol)
        return [python, dash_m, *([] if with_uvloop else ["benchmarks.without_uvloop"]), *rest]

    transports = frozenset({"tcp", "udp"})
    return Contender(name=name, command=command, transports=transports, ours=True, needs_uvloop=with_uvloop)


def _peer(tcp: str, udp: str | None = None) -> Callable[[Case, Path, str], Argv]:
    def command(case: Case, _compiled: Path, _protocol: str) -> Argv:
        module = udp if udp and case.transport == "udp" else tcp
        return [str(PYTHON), "-m", f"benchmarks.peers.{module}"]

    return command


def _in_c(case: Case, compiled: Path, _protocol: str) -> Argv:
    return [str(compiled / "echo_server"), case.transport]


def _pool_workers(case: Case) -> Sequence[str]:
    return "--workers", str(min(case.connections + SPARE_WORKERS, WORKERS_MAX))


CONTENDERS: Final = (
    Contender(name=C, command=_in_c, transports=frozenset({"tcp", "udp"})),
    Contender(
        name=UVLOOP,
        command=_peer("uvloop_protocol", "uvloop_datagrams"),
        transports=frozenset({"tcp", "udp"}),
        needs_uvloop=True,
    ),
    _style("epoll", datagrams=True),
    _style("select", datagrams=True),
    _style("iterative", datagrams=True, one_client=True),
    _style("threaded"),
    _style("pool", workers=_pool_workers),
    _style("forking", forks=True),
    _style("prefork", datagrams=True, workers=lambda _case: ("--workers", PREFORKED)),
    _asyncio("asyncio", with_uvloop=False),
    _asyncio("asyncio-uvloop", with_uvloop=True),
    Contender(name="asyncio-streams", command=_peer("streams")),
    Contender(name="socketserver", command=_peer("socketserver_threads")),
)
BY_NAME: Final = {contender.name: contender for contender in CONTENDERS}
