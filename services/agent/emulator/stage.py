"""One fault in the emulator: what it takes, what it does, and what it has done so far."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from services.agent.emulator.matching import Taken
from services.agent.emulator.packet import Packet
from services.agent.emulator.which import Chooses

if TYPE_CHECKING:
    from services.agent.emulator.line import Waiter

Bite: TypeAlias = Callable[[int, Packet, int], bool]
"""Deals with a packet that was chosen: the time, the packet, its ordinal. True: it walks no further now."""
GoesBy: TypeAlias = Callable[[Packet], None]
"""Is told of each packet that the stage lets go on."""


class Stage:
    """A place in the line, for one lease.

    Args:
        lease: whose.
        order: of applying; later ones have higher numbers.
        taken: whether its match takes a packet.
        chooses: whether it bites one that it takes; None: all.
    """

    __slots__ = (
        "bite",
        "bitten",
        "chooses",
        "goes_by",
        "lease",
        "order",
        "overflow",
        "seen",
        "taken",
        "waiting",
    )

    def __init__(self, lease: str, order: int, taken: Taken, chooses: Chooses | None = None) -> None:
        self.lease = lease
        self.order = order
        self.taken = taken
        self.chooses = chooses
        self.bite: Bite = _passes
        self.goes_by: GoesBy | None = None
        self.seen = 0
        self.bitten = 0
        self.overflow = 0
        self.waiting: dict[int, Waiter] = {}
        """What waits here, by its number, so in the order of arrival."""


def _passes(_now: int, _packet: Packet, _ordinal: int) -> bool:
    return False
