"""What a stage can do with a packet: let it leave, drop it, keep it for a while, follow it with copies.

Theory of operation
    A packet that waits stays in the kernel's queue, and gets its verdict later. Not so one of TCP on its way
    out: while the kernel has it, the sender's TCP takes it for not sent yet. It would neither retransmit it,
    however long it waits, nor send more than a few packets behind it (tcp_output.c: TCP small queues,
    `skb_still_in_host_queue`). So that one is dropped at once, which its sender cannot see, and its copy is
    injected when its time has come: as on a wire.
"""

from collections import deque
from heapq import heappop, heappush
from typing import TypeAlias

from services.agent.emulator.log import Log
from services.agent.emulator.packet import TCP, Packet
from services.agent.emulator.stage import Stage

ACCEPT, DROP, INJECT = range(3)
Action: TypeAlias = tuple[int, int, bytes | None, int, str]
"""What is to be done, in this order.

    ACCEPT, the kernel's number, other bytes or None, a mark or 0, ""
    DROP, the kernel's number, None, 0, ""
    INJECT, index of the link that it came by or goes by, its bytes, 0, whose doing: a lease
"""
MOST_WAITING = 20_000
"""Packets; also the length of the kernel's queue."""
MOST_WAITING_BYTES = 64 << 20
_MOST_DECIDED = 4096
MOST_COPIES = 1000
"""Of one packet: several faults that duplicate multiply each other."""


class Waiter:
    """A packet that waits in a stage.

    Args:
        number: its own, in the order of arrival, unique for the life of the agent.
        packet: the packet.
        stage: where.
        ordinal: of the packet, there.
        since: when it came, nanoseconds.
    """

    __slots__ = ("note", "number", "ordinal", "packet", "since", "stage")

    def __init__(self, number: int, packet: Packet, stage: Stage, ordinal: int, since: int) -> None:
        self.number = number
        self.packet = packet
        self.stage = stage
        self.ordinal = ordinal
        self.since = since
        self.note = ""

    @property
    def is_gone(self) -> bool:
        """Whether it waits no longer."""
        return self.number not in self.stage.waiting


class Line:
    """The way of packets through the stages and out.

    Args:
        log: is told of what is lost.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.actions: list[Action] = []
        self.ready: deque[Packet] = deque()
        """Packets that go on behind the one that walks now."""
        self.in_kernel: dict[int, Waiter] = {}
        """What waits in the kernel's queue, by the kernel's number, oldest first."""
        self._decided: deque[Waiter] = deque(maxlen=_MOST_DECIDED)
        """What has waited there and has its verdict now, the newest of them last."""
        self.may_take = True
        """Whether TCP that waits on its way out may be taken from the kernel."""
        self._due: list[tuple[int, int, Waiter]] = []
        self._numbers = 0
        self._count = 0
        self._bytes = 0
        self.copies = 0

    def leave(self, packet: Packet, mark: int = 0) -> None:
        """It has walked all stages.

        Args:
            packet: the packet.
            mark: for rules behind the queue; 0: none.
        """
        number = packet.number
        if number is None:
            self.actions.append((INJECT, packet.device, packet.data, 0, packet.owner))
        else:
            self.actions.append((ACCEPT, number, packet.data if packet.changed else None, mark, ""))

    def drop(self, packet: Packet) -> None:
        """It is no more."""
        if packet.number is not None:
            self.actions.append((DROP, packet.number, None, 0, ""))

    def inject(self, stage: Stage, packet: Packet) -> None:
        """Send one that no stage is to see."""
        self.actions.append((INJECT, packet.device, packet.data, 0, stage.lease))

    def follow(self, stage: Stage, packet: Packet) -> None:
        """Let a copy of a packet go on right behind it."""
        if self.copies >= MOST_COPIES:
            stage.overflow += 1
            return
        self.copies += 1
        copy = packet.copy()
        copy.passed, copy.owner = stage.order, stage.lease
        self.ready.append(copy)

    def wait(
        self, stage: Stage, packet: Packet, ordinal: int, now: int, until: int | None = None
    ) -> Waiter | None:
        """Keep a packet in a stage.

        Args:
            stage: where.
            packet: the packet.
            ordinal: its ordinal there.
            now: the time, nanoseconds.
            until: then it goes on; None: when it is told to.

        Returns:
            What waits; None: there is no room, so the packet is lost, and that is counted.
        """
        size = packet.end
        if self._count >= MOST_WAITING or self._bytes + size > MOST_WAITING_BYTES:
            self.lose(stage, packet, ordinal, now, "no room to wait")
            return None
        self._numbers += 1
        waiter = Waiter(self._numbers, packet, stage, ordinal, now)
        stage.waiting[waiter.number] = waiter
        self._count += 1
        self._bytes += size
        if packet.number is not None:
            if self.may_take and not packet.arriving and packet.flow.protocol == TCP and not packet.twin:
                self.drop(packet)
                packet.number, packet.owner = None, stage.lease
            else:
                self.in_kernel[packet.number] = waiter
        if until is not None:
            heappush(self._due, (until, waiter.number, waiter))
        return waiter

    def lose(self, stage: Stage, packet: Packet, ordinal: int, now: int, why: str) -> None:
        """A packet is lost beside the fault's purpose."""
        stage.overflow += 1
        self.log.write(now, stage.lease, packet, ordinal, "lost", why)
        self.drop(packet)

    def release(self, waiter: Waiter) -> Packet:
        """Let it go on, behind the packet that walks now."""
        packet = self.take(waiter)
        packet.passed = waiter.stage.order
        self.ready.append(packet)
        return packet

    def take(self, waiter: Waiter) -> Packet:
        """It waits no longer; what becomes of it is the caller's business."""
        del waiter.stage.waiting[waiter.number]
        packet = waiter.packet
        self._count -= 1
        self._bytes -= packet.end
        number = packet.number
        if number is not None:
            self.in_kernel.pop(number, None)
            self._decided.append(waiter)
        return packet

    def was_gone(self, number: int, now: int, why: str) -> None:
        """The kernel did not have a packet any more when its verdict came.

        Args:
            number: the kernel's.
            now: the time, nanoseconds.
            why: what has become of it.
        """
        # The kernel answers at once, so it is one of the newest.
        for waiter in reversed(self._decided):
            if waiter.packet.number == number:
                waiter.packet.number = None
                self.lose(waiter.stage, waiter.packet, waiter.ordinal, now, why)
                return

    def release_due(self, now: int, most: int) -> None:
        """Let those go on whose time has come, at most so many."""
        due = self._due
        while due and due[0][0] <= now and most > 0:
            waiter = heappop(due)[2]
            if not waiter.is_gone:
                self.release(waiter)
                most -= 1

    def next_due(self) -> int | None:
        """When the next one goes on, nanoseconds; None: none waits for a time."""
        due = self._due
        while due and due[0][2].is_gone:
            heappop(due)
        return due[0][0] if due else None
