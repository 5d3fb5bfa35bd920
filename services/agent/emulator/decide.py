"""What becomes of each packet: the emulator without any socket or clock.

It is told of packets and of the time, and answers with actions, to be done in their order.
"""

from services.agent.emulator import holding
from services.agent.emulator.line import ACCEPT, Action, Line, Waiter
from services.agent.emulator.log import Log
from services.agent.emulator.matching import answers_to
from services.agent.emulator.packet import Packet, PacketError
from services.agent.emulator.stage import Stage
from services.agent.emulator.stages import Emulated, make_stage
from services.agent.emulator.timing import answer_later
from services.agent.emulator.twins import Twin
from services.agent.mechanism import Counts
from services.messages import ServiceError
from socketlab.wire.fault import Hold, Reject
from socketlab.wire.lease import HeldPacket, Step

_FOREIGN = "by a foreign table"
AT_A_TIME = 256
"""Packets whose time has come, that go on before anybody else has a turn."""


class Emulation:
    """All emulated faults.

    Args:
        log: what was done is written there.
    """

    def __init__(self, log: Log | None = None) -> None:
        self.log = log or Log()
        self._line = Line(self.log)
        self._stages: list[Stage] = []
        self._faults: dict[str, tuple[Stage, Emulated, int]] = {}
        self._answers: dict[str, Stage] = {}
        self._twins: dict[int, Twin] = {}
        self._orders = 0
        self.held_changes = 0
        """Grows whenever other packets are held than before."""

    def add(self, lease: str, fault: Emulated, mark: int = 0) -> None:
        """Let a fault bite, behind those that are there.

        Args:
            lease: its name.
            fault: the fault, with its seeds.
            mark: of a refusal, for the rule that refuses.
        """
        self._orders += 1
        stage = make_stage(lease, self._orders, fault, self._line, mark)
        self._faults[lease] = stage, fault, mark
        self._stages = [*self._stages, stage]
        self._look_at_stages()

    def delay_answers(self, lease: str, reject: Reject, code: int) -> None:
        """Let the kernel's own answers to what a refusal bites go out later.

        Args:
            lease: its name.
            reject: the refusal, with an ICMP answer.
            code: of that.
        """
        self._orders += 1
        stage = Stage(lease, self._orders, answers_to(reject, code))
        stage.bite = answer_later(stage, self._line, reject.delay)
        self._answers[lease] = stage
        self._stages = [*self._stages, stage]

    def _look_at_stages(self) -> None:
        """A packet that may still be refused must stay in the kernel's hands."""
        refused = (isinstance(fault, Reject) for _stage, fault, _mark in self._faults.values())
        self._line.may_take = not any(refused)

    def remove(self, lease: str, now: int) -> list[Action]:
        """Let a fault bite no longer; what waits for it goes on to the faults behind it."""
        stage, _fault, _mark = self._faults.pop(lease)
        self._look_at_stages()
        return self._take_out(stage, now)

    def forget_answers(self, lease: str, now: int) -> list[Action]:
        """Delay the answers of a refusal no longer; what waits goes out."""
        return self._take_out(self._answers.pop(lease), now)

    def _take_out(self, stage: Stage, now: int) -> list[Action]:
        self._stages = [each for each in self._stages if each is not stage]
        if stage.waiting:
            self.held_changes += 1
        for waiter in list(stage.waiting.values()):
            self._tell(now, waiter, "released")
            self._line.release(waiter)
        return self._walk_on(now)

    def _tell(self, now: int, waiter: Waiter, action: str) -> None:
        """Log what becomes of a waiting packet, if its waiting was logged."""
        if waiter.stage.bitten and not waiter.packet.twin:
            self.log.write(now, waiter.stage.lease, waiter.packet, waiter.ordinal, action)

    def arrive(self, now: int, number: int, data: bytes, *, arriving: bool, device: int = 0) -> list[Action]:
        """A packet has come to the queue.

        Args:
            now: the time, nanoseconds.
            number: the kernel's, for the verdict.
            data: its bytes, from the IP header on.
            arriving: whether it arrives at this host; else it is sent.
            device: index of the link.
        """
        line = self._line
        line.copies = 0
        try:
            packet = Packet(data, arriving=arriving, number=number, device=device)
        except PacketError:
            return [(ACCEPT, number, None, 0, "")]
        if self._twins and (twin := self._twins.get(packet.flow.sport)) is not None:
            twin.decide(now, packet)
        else:
            self._walk(now, packet, self._stages)
        return self._walk_on(now) if line.ready else self._done()

    def _walk(self, now: int, packet: Packet, stages: list[Stage]) -> None:
        for stage in stages:
            if stage.taken(packet):
                stage.seen = ordinal = stage.seen + 1
                chooses = stage.chooses
                if chooses is None or chooses(ordinal, stage.bitten):
                    if stage.bite(now, packet, ordinal):
                        return
                    continue
            if stage.goes_by is not None:
                stage.goes_by(packet)
        self._line.leave(packet)

    def _walk_on(self, now: int) -> list[Action]:
        """Let go on what is ready to."""
        ready = self._line.ready
        while ready:
            packet = ready.popleft()
            self._walk(now, packet, [stage for stage in self._stages if stage.order > packet.passed])
        return self._done()

    def _done(self) -> list[Action]:
        actions = self._line.actions
        self._line.actions = []
        return actions

    def due(self, now: int) -> list[Action]:
        """Time has passed; what waited for it goes on, at most `AT_A_TIME` packets."""
        self._line.copies = 0
        self._line.release_due(now, AT_A_TIME)
        return self._walk_on(now)

    def next_due(self) -> int | None:
        """When `due` has something to do, nanoseconds; None: nothing waits for a time."""
        return self._line.next_due()

    def counts(self, lease: str) -> Counts:
        """What a fault has done so far."""
        stage = self._faults[lease][0]
        return Counts(stage.bitten, stage.seen, stage.overflow)

    def held(self, lease: str | None = None) -> tuple[HeldPacket, ...]:
        """The packets that wait for a word, the oldest first.

        Args:
            lease: of one fault; None: of all.
        """
        found = [waiter for waiter in self._held() if lease in {None, waiter.stage.lease}]
        return tuple(map(holding.shown, sorted(found, key=lambda waiter: waiter.number)))

    def _held(self) -> list[Waiter]:
        return [
            waiter
            for stage, fault, _mark in self._faults.values()
            if isinstance(fault, Hold)
            for waiter in stage.waiting.values()
        ]

    def advance(self, now: int, number: int, step: Step) -> list[Action]:
        """Let one held packet go, or not.

        Args:
            now: the time, nanoseconds.
            number: its own.
            step: what becomes of it.

        Raises:
            ServiceError: no such packet is held.
        """
        held = {waiter.number: waiter for waiter in self._held()}
        waiter = held.get(number)
        if waiter is None:
            known = " ".join(map(str, list(held)[:20])) or "-"
            raise ServiceError("emulator.not-held", seen=number, known=known)
        self._line.copies = 0
        self.held_changes += 1
        done = {"release": "released", "drop": "dropped", "duplicate": "duplicated"}[step]
        self._tell(now, waiter, done)
        if step == "drop":
            self._line.drop(self._line.take(waiter))
            return self._done()
        packet = self._line.release(waiter)
        if step == "duplicate" and not (packet.arriving and packet.is_broadcast):
            self._line.follow(waiter.stage, packet)
        return self._walk_on(now)

    def open_twin(self, lease: str, port: int) -> None:
        """Decide about the probes from a port as a fault would."""
        _stage, fault, mark = self._faults[lease]
        self._twins[port] = Twin(lease, fault, self._line, mark)

    def twin_bitten(self, port: int) -> int:
        """How many of those probes the fault would have bitten."""
        return self._twins[port].stage.bitten

    def close_twin(self, port: int, now: int) -> list[Action]:
        """Decide about them no longer."""
        return self._take_out(self._twins.pop(port).stage, now)

    def in_kernel(self) -> int:
        """How many packets wait in the kernel's queue."""
        return len(self._line.in_kernel)

    def lose_oldest(self, now: int, count: int) -> None:
        """The kernel no longer has what waited longest in its queue.

        Args:
            now: the time, nanoseconds.
            count: so many packets.
        """
        for waiter in list(self._line.in_kernel.values())[:count]:
            packet = self._line.take(waiter)
            packet.number = None
            self._line.lose(waiter.stage, packet, waiter.ordinal, now, _FOREIGN)
            self.held_changes += 1

    def refused(self, now: int, number: int) -> None:
        """The kernel did not have a packet any more when its verdict came.

        Args:
            now: the time, nanoseconds.
            number: the kernel's.
        """
        self._line.was_gone(number, now, _FOREIGN)

    def overflowed(self, now: int, count: int) -> None:
        """The kernel had no room for packets: the fault that keeps most of them waiting has lost them.

        Args:
            now: the time, nanoseconds.
            count: so many packets.
        """
        if self._stages:
            stage = max(self._stages, key=lambda each: len(each.waiting))
            stage.overflow += count
            self.log.write(now, stage.lease, None, 0, "lost", f"{count} packets: the queue was full")

    def not_sent(self, now: int, lease: str, packet: Packet, why: str) -> None:
        """The kernel did not take a packet that was to be injected.

        Args:
            now: the time, nanoseconds.
            lease: whose.
            packet: the packet.
            why: the errno's name.
        """
        if lease in self._faults:
            self._faults[lease][0].overflow += 1
        self.log.write(now, lease, packet, 0, "lost", why)

    def release_all(self) -> list[Action]:
        """Everything is over: what waits leaves as it is, and no fault bites any more."""
        waiting = [waiter for stage in self._stages for waiter in stage.waiting.values()]
        waiting += [waiter for twin in self._twins.values() for waiter in twin.stage.waiting.values()]
        for waiter in sorted(waiting, key=lambda each: each.number):
            self._line.leave(self._line.take(waiter))
        self._stages = []
        self._faults.clear()
        self._answers.clear()
        self._twins.clear()
        return self._done()
