"""Twins: what a fault would do, shown on probes.

A probe is decided by a state of its own, without `which` and without chance, and neither counted nor logged
with the fault's packets. It must reach no program, so nothing is injected for it: what a fault would copy,
change, hold or reset is counted and let go on, to the sink behind the queue.
"""

import dataclasses

from services.agent.emulator.line import Line
from services.agent.emulator.packet import Packet
from services.agent.emulator.stage import Stage
from services.agent.emulator.stages import Emulated, taken
from services.agent.emulator.timing import nanoseconds
from socketlab.wire.fault import Delay, Drop, Limit, Loss, Reject, SlowHandshake, with_match

_LAST = 1 << 62
"""An order behind that of every fault: what has waited in a twin meets no stage."""


class Twin:
    """The twin of one fault, for the probes of one port.

    Args:
        lease: whose.
        fault: the fault.
        line: where it stands.
        mark: of a refusal.
    """

    def __init__(self, lease: str, fault: Emulated, line: Line, mark: int) -> None:
        match = dataclasses.replace(fault.match, which=None)
        self.stage = Stage(lease, _LAST, taken(with_match(fault, match)))
        self._line = line
        self._vanishes = isinstance(fault, Drop | Loss) or (isinstance(fault, Limit) and fault.then == "drop")
        self._needs_payload = isinstance(fault, Limit)
        self._waits = nanoseconds(fault.seconds) if isinstance(fault, Delay | SlowHandshake) else 0
        self._mark = mark if isinstance(fault, Reject) else 0

    def decide(self, now: int, packet: Packet) -> None:
        """Deal with a probe."""
        packet.twin = True
        stage, line = self.stage, self._line
        if not stage.taken(packet) or (self._needs_payload and packet.length <= 0):
            line.leave(packet)
            return
        stage.bitten += 1
        if self._vanishes:
            line.drop(packet)
        elif self._waits:
            line.wait(stage, packet, stage.bitten, now, now + self._waits)
        else:
            line.leave(packet, self._mark)
