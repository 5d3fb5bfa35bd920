"""A try of a learner's own server: what the runner on its host found, and what a client meets from outside.

Theory of operation
    The runner sees the inside: whether the file could be read, whether the program lives, where it listens.
    The client sees the outside: what connect, send and recv give. `diagnose` joins both to one finding, pure;
    its sentence is in the catalogue under `try.found`.
"""

import contextlib
import socket
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from services.client.asking import ask_until, read_answer
from services.client.calls import ToldSocket, of_call, resolve, shown
from services.client.console import OUT, printable, width
from services.client.words import came_back, duration, is_own_timer
from services.messages import ServiceError, say
from socketlab.wire import (
    Event,
    Happened,
    Listener,
    Outcome,
    ProgramReport,
    ProgramState,
    Raised,
    Returned,
    WireError,
)

WORKS: Final = 0
DOES_NOT: Final = 1
HELLO: Final = b"hello\n"
_ANSWER: Final = 2.0
"""Seconds that the program may take for its answer."""
_REPORT: Final = 8.0
"""Seconds for the runner's report: it waits for a program that has just begun."""
_AGAIN: Final = 0.1

Found: TypeAlias = Literal[
    "missing",
    "directory",
    "unreadable",
    "ended",
    "not-listening",
    "loopback-only",
    "echoes",
    "answers",
    "silent",
    "closes-early",
    "resets",
    "crashed",
    "refused",
    "other",
]
_GOOD: Final[frozenset[Found]] = frozenset({"echoes", "answers"})


@dataclass(frozen=True, slots=True)
class Visit:
    """What the client met.

    Args:
        calls: every call, in order.
        answer: the bytes that came back.
    """

    calls: tuple[Outcome, ...] = ()
    answer: bytes = b""


def best_listener(report: ProgramReport) -> Listener | None:
    """The socket to try: rather one that other hosts can reach, and rather TCP."""
    return min(report.listeners, key=lambda each: (each.loopback_only, each.proto != "tcp"), default=None)


def diagnose(report: ProgramReport, visit: Visit) -> Found:
    """What is the matter with a learner's program.

    Args:
        report: the runner's, made after the visit.
        visit: what the client met; no calls: there was nothing to visit.
    """
    unrunnable: dict[ProgramState, Found] = {
        "missing": "missing",
        "directory": "directory",
        "unreadable": "unreadable",
    }
    if (unreadable := unrunnable.get(report.state)) is not None:
        return unreadable
    if visit.answer:
        return "echoes" if visit.answer == HELLO else "answers"
    if report.state == "ended":
        return "crashed" if visit.calls else "ended"
    listener = best_listener(report)
    if listener is None:
        return "not-listening"
    return "loopback-only" if listener.loopback_only else _met(visit)


def _met(visit: Visit) -> Found:
    """What the client met that brought no answer."""
    decided = visit.calls[-1]
    result = decided.result
    if isinstance(result, Returned):
        return "closes-early"
    if is_own_timer(decided) and decided.call.startswith("recv"):
        return "silent"
    by_errno: dict[str | None, Found] = {"ECONNRESET": "resets", "EPIPE": "resets", "ECONNREFUSED": "refused"}
    return by_errno.get(result.errno, "other")


def ask_report(host: str, port: int, deadline: float) -> ProgramReport:
    """Ask the runner; its host may only just be starting, so again until the deadline.

    Raises:
        ServiceError: no report in time.
    """
    try:
        return ask_until(deadline, _AGAIN, lambda: _ask(host, port))
    except (OSError, WireError) as error:
        raise ServiceError(
            "client.no-report", host=host, port=port, seconds=f"{deadline:g}", seen=error
        ) from error


def _ask(host: str, port: int) -> ProgramReport:
    with socket.create_connection((host, port), timeout=_REPORT) as asker:
        return read_answer(asker, ProgramReport, f"{host}:{port}")


def visit_program(host: str, listener: Listener) -> Visit:
    """Be the program's client: connect, send `hello`, read the answer."""
    told: list[Outcome] = []
    answer = b""
    kind = socket.SOCK_STREAM if listener.proto == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_UNSPEC if ":" in listener.address else socket.AF_INET
    with contextlib.suppress(OSError, ValueError):
        for each, address in resolve(host, listener.port, family, kind, lambda _: None):
            told.clear()
            with ToldSocket(each, kind, told.append, _ANSWER, {host: address[0]}) as sock:
                try:
                    sock.connect((host, listener.port))
                except OSError:
                    continue  # it may listen on the host's other address
                sock.sendall(HELLO)
                while len(answer) < len(HELLO) and (data := sock.recv(100)):
                    answer += data
                break
    return Visit(tuple(told), answer)


def trial(host: str, port: int, deadline: float, *, json: bool) -> int:
    """Try the program on a host and say what is found.

    Args:
        host: where the runner and the program are.
        port: of the runner's report.
        deadline: seconds to wait for the runner.
        json: write lines of the wire.

    Returns:
        the exit code: 0 the program echoes or answers, else 1.

    Raises:
        ServiceError: there is no report.
    """
    report = ask_report(host, port, deadline)
    listener = best_listener(report)
    visit = Visit()
    if listener is not None:
        visit = visit_program(host, listener)
        if not visit.answer:
            report = ask_report(host, port, deadline)  # it may have died of it
    found = diagnose(report, visit)
    show = _show_wire if json else _show_lines
    show(host, report, visit, listener, found)
    return WORKS if found in _GOOD else DOES_NOT


Show: TypeAlias = Callable[[str, ProgramReport, Visit, Listener | None, Found], None]


def _show_wire(_: str, report: ProgramReport, visit: Visit, listener: Listener | None, found: Found) -> None:
    OUT.message(report)
    for outcome in visit.calls:
        OUT.message(Happened(of_call("try", outcome)))
    said = sentence(report, visit, listener, found)
    OUT.message(Happened(Event(name=f"try.{found}", phase="completed", at_ns=time.monotonic_ns(), said=said)))


def _show_lines(
    host: str, report: ProgramReport, visit: Visit, listener: Listener | None, found: Found
) -> None:
    _wrapped(say("try.inside", host=host, seen=inside(report)))
    if visit.calls:
        OUT.line(say("try.outside"))
        for outcome in visit.calls:
            OUT.line(f"  {outcome.call} -> {came_back(outcome)}, {duration(outcome.seconds)}")
    for line in report.last_lines if found in {"ended", "crashed"} else ():
        OUT.line(f"  | {printable(line)}")
    _wrapped(sentence(report, visit, listener, found))


def _wrapped(text: str) -> None:
    for line in textwrap.wrap(text, width(), break_on_hyphens=False):
        OUT.line(line)


def inside(report: ProgramReport) -> str:
    """What the runner found, in words."""
    where = printable(", ".join(map(str, report.listeners)))
    return say(
        f"runner.{report.state}",
        program=printable(report.program),
        where=where,
        code=report.exit_code,
        mode=report.mode,
    )


def sentence(report: ProgramReport, visit: Visit, listener: Listener | None, found: Found) -> str:
    """The finding, in words, and what to do about it."""
    gave = came_back(visit.calls[-1]) if visit.calls and isinstance(visit.calls[-1].result, Raised) else ""
    return say(
        f"try.found.{found}",
        program=printable(report.program),
        address=printable(listener.address) if listener else "",
        any="::" if listener and ":" in listener.address else "0.0.0.0",
        port=listener.port if listener else "",
        answer=shown(visit.answer),
        seconds=f"{_ANSWER:g}",
        gave=gave,
        code=report.exit_code,
    )
