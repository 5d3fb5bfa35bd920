"""Runs a plan on a lab.

Theory of operation
    One thread walks the agenda: it waits for the next event and does it, so faults come and go in the plan's
    order. The plan's clock stands still while a fault is put in force and proven, and until a call begins:
    what follows keeps its distance, and a fault lasts as long as the plan says, however busy the machine is.
    Times in the result are real ones.

    Each call that something is expected of, and each probe, has a thread of its own, for a call may take as
    long as its patience. Everything stands in the result, also what could not be done: a fault that is
    refused, or does not bite, does not end the plan.

    However it ends, every fault that is still in force is healed, the last first. Ctrl-C ends it early: calls
    that still run are given up with their sockets.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from socketlab.errors import AgentError, SpecError
from socketlab.faults.plans import probing
from socketlab.faults.plans.model import FaultStep, Plan
from socketlab.faults.plans.result import Checked, FaultRun, Probed, Result
from socketlab.faults.plans.schedule import Agenda, Begin, Check, End, Event, Key
from socketlab.faults.plans.sentences import Expectation, Probe, Seen, judge
from socketlab.faults.words import words_of_lab
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError
from socketlab.wire.forms import TIME

if TYPE_CHECKING:
    from socketlab.faults.board import Board
    from socketlab.hosts.faulting import FaultLease
    from socketlab.hosts.lab import Lab

Told = Callable[[str], object]
_JOIN_SECONDS: Final = 10.0
"""Beyond a call's own patience: a busy machine, an actor far away."""
_ONLY_CONNECT: Final = frozenset({"connected", "timeout"})


def run(plan: Plan, lab: "Lab", *, verify: bool = True, tell: Told | None = None) -> Result:
    """Run a plan to its end.

    Args:
        plan: what happens when.
        lab: open, with the hosts that the plan names.
        verify: prove of each fault that it bites, before the plan goes on.
        tell: gets a line for each thing that happens, as it does.

    Raises:
        SpecError: the lab lacks a host; nothing has happened then.
        SocketlabError: the very first fault cannot be had here, and nothing else has happened.
    """
    check(plan, lab)
    return _Run(plan, lab, verify=verify, tell=tell or (lambda _: None)).run()


def check(plan: Plan, lab: "Lab") -> None:
    """Hold a plan against a lab.

    Raises:
        SpecError: the lab lacks a host that the plan names.
    """
    calls = [each.call for step in plan.steps for each in getattr(step, "expectations", ())]
    calls += [probe.call for probe in plan.probes]
    targets = {call.target for call in calls}
    for name, where in plan.hosts.items():
        if name not in lab.hosts and name not in targets:
            known = ", ".join(lab.hosts)
            raise SpecError("plan.no-host", where=where, seen=ascii(name)[:60], known=known)
    for call in calls:
        probing.address_of(lab, call)


class _Run:
    """One run of one plan."""

    def __init__(self, plan: Plan, lab: "Lab", *, verify: bool, tell: Told) -> None:
        self._plan = plan
        self._lab = lab
        self._verify = verify
        self._tell = tell
        self._result = Result(plan=plan.name, lab=lab.name, backend=lab.backend)
        self._leases: dict[Key, tuple[FaultLease, FaultRun]] = {}
        self._threads: list[tuple[threading.Thread, float]] = []
        self._probing: list[tuple[threading.Thread, float]] = []
        self._over = threading.Event()
        self._started = 0.0
        self._stood = 0.0
        """Seconds that the plan's clock has stood still."""

    def run(self) -> Result:
        """Do all of it."""
        agenda = Agenda(self._plan)
        self._wake()
        self._started = time.monotonic()
        for probe in self._plan.probes:
            self._start_probe(probe)
        try:
            self._walk(agenda)
            self._await_checks()
        except KeyboardInterrupt:
            self._result.interrupted = True
            self._result.missed = len(agenda.due(float("inf")))
        finally:
            self._over.set()
            self._heal_all()
            self._result.seconds = self._now()
        if not self._result.interrupted:
            self._await_probes()
        return self._result

    def _now(self) -> float:
        return time.monotonic() - self._started

    def _plan_now(self) -> float:
        return self._now() - self._stood

    def _wake(self) -> None:
        """Start the actors and agents that the plan needs, all at once: each takes its time."""
        board = cast("Board", self._lab.faults)
        needs_agents = any(isinstance(step, FaultStep) for step in self._plan.steps)

        def wake(host: str) -> None:
            with suppress(SocketlabError):  # told by whatever needs it first
                self._lab[host].actor  # noqa: B018 - it is made when it is first asked for
                if needs_agents:
                    board.reach(host).agent()

        threads = [
            threading.Thread(target=wake, args=(name,), daemon=True)
            for name in self._plan.hosts
            if name in self._lab.hosts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _walk(self, agenda: Agenda) -> None:
        while (left := agenda.next(self._plan_now())) is not None:
            if left > 0:
                self._over.wait(left)
            for event in agenda.due(self._plan_now()):
                self._do(event)

    def _do(self, event: Event) -> None:
        if isinstance(event, End):
            self._end(event.key)
            return
        before = self._now()
        if isinstance(event, Begin):
            self._begin(event)
        else:
            self._check(event)
        self._stood += self._now() - before

    # -- faults

    def _begin(self, event: Begin) -> None:
        step = event.step
        run = FaultRun(step=event.key.step + 1, on=step.on, fault=words_of_lab(event.fault), planned=event.at)
        self._result.faults.append(run)
        verify = self._verify if step.verify is None else step.verify
        verify = verify and event.replaces is None  # its kind has been proven with the first value
        try:
            lease = self._applied(event, verify=verify)
        except SocketlabError as error:
            run.problem = str(error).strip()
            run.lacking = isinstance(error, AgentError) and error.is_lacking
            self._say("plan.run.failed", run, why=run.problem.partition("\n")[0])
            return
        run.began = self._now()
        run.lease = lease.id
        proof = getattr(lease, "proof", None)
        run.verified = True if proof is not None and proof.seen else None
        self._leases[event.key] = (lease, run)
        self._say("plan.run.began", run)
        if event.replaces is not None:
            self._end(event.replaces)

    def _applied(self, event: Begin, *, verify: bool) -> "FaultLease":
        """The fault, in force."""
        on = event.step.on
        try:
            return self._lab.faults.apply(event.fault, on=on, verify=verify)
        except SocketlabError:
            if event.replaces not in self._leases:
                raise
        # Two of some kinds cannot be at the same time: a route, an MTU.
        self._end(event.replaces)
        return self._lab.faults.apply(event.fault, on=on, verify=verify)

    def _end(self, key: Key) -> None:
        found = self._leases.pop(key, None)
        if found is None:  # it never came
            return
        lease, run = found
        try:
            lease.heal()
            run.bitten = lease.bitten
        except SocketlabError as error:
            run.problem = run.problem or str(error).strip()
        run.ended = self._now()
        self._say("plan.run.ended", run)

    def _heal_all(self) -> None:
        for key in reversed(list(self._leases)):
            self._end(key)

    def _say(self, key: str, run: FaultRun, **fields: object) -> None:
        place = run.on or self._lab.name
        self._line(
            say(key, place=place, fault=run.fault, bitten="-" if run.bitten is None else run.bitten, **fields)
        )

    def _line(self, text: str) -> None:
        self._tell(say("plan.run.line", at=f"{self._now():7.2f}", text=text))

    # -- calls

    def _check(self, event: Check) -> None:
        checked = Checked(
            step=event.step + 1, expected=str(event.expectation), planned=event.at, began=self._now()
        )
        self._result.checks.append(checked)
        begun = threading.Event()
        thread = threading.Thread(target=self._hold, args=(event.expectation, checked, begun), daemon=True)
        thread.start()
        begun.wait(_JOIN_SECONDS)
        self._threads.append((thread, time.monotonic() + event.expectation.patience + _JOIN_SECONDS))

    def _hold(self, expected: Expectation, checked: Checked, begun: threading.Event) -> None:
        """Make a call, and hold what it gives against what was expected."""
        only_connect = expected.outcome in _ONLY_CONNECT
        try:
            seen = probing.make(
                self._lab, expected.call, expected.patience, only_connect=only_connect, begins=begun.set
            )
        except SocketlabError as error:
            if not self._over.is_set():
                checked.why = say("plan.why.no-call", why=str(error).strip())
            return
        finally:
            begun.set()
        judged = judge(expected, seen)
        checked.seen, checked.seconds, checked.ok = seen.outcome, seen.seconds, judged.ok
        if judged.why:
            checked.why = say(
                f"plan.why.{judged.why}", seen=spelled(seen), took=_spelled_seconds(seen.seconds)
            )
        self._line(
            say(
                "plan.run.ok" if judged.ok else "plan.run.differs",
                expected=checked.expected,
                seen=spelled(seen),
            )
        )

    def _await_checks(self) -> None:
        for thread, deadline in self._threads:
            # In short waits: a join without end cannot be interrupted on all systems.
            while thread.is_alive() and time.monotonic() < deadline:
                thread.join(0.5)
        for checked in self._result.checks:
            if checked.seen is None and not checked.why:
                checked.why = say("plan.why.no-end")

    def _start_probe(self, probe: Probe) -> None:
        probed = Probed(probe=str(probe))
        self._result.probes.append(probed)
        thread = threading.Thread(target=self._watch, args=(probe, probed), daemon=True)
        thread.start()
        self._probing.append((thread, probe.within))

    def _watch(self, probe: Probe, probed: Probed) -> None:
        """Make a call again and again."""
        due = self._now()
        while not self._over.wait(max(0.0, due - self._now())):
            at = self._now()
            try:
                seen = probing.make(self._lab, probe.call, probe.within)
                outcome, seconds = seen.outcome, seen.seconds
            except SocketlabError:  # its host does not run: that is what became of it
                outcome, seconds = say("plan.no-call"), 0.0
            before = probed.changes[-1].outcome if probed.changes else None
            probed.add(at, outcome, seconds)
            if outcome != before:
                self._line(say("plan.run.probe", call=probe.call, seen=outcome))
            due = max(due + probe.every, self._now())

    def _await_probes(self) -> None:
        for thread, patience in self._probing:
            thread.join(patience + _JOIN_SECONDS)


def spelled(seen: Seen) -> str:
    """What a call gave, and when."""
    return say("plan.seen", outcome=seen.outcome, stage=seen.stage, took=_spelled_seconds(seen.seconds))


def _spelled_seconds(seconds: float) -> str:
    return TIME.write(round(seconds, 4)) if seconds >= 0.00005 else "0s"  # noqa: PLR2004 - rounds to nothing


__all__ = ["check", "run", "spelled"]
