"""What becomes of a probe that a fault's twin takes, by its kind. Pure.

A twin leaves chance out, as it does `which`: it takes every probe that fits. What a fault would copy, change,
hold or reset goes on to the sink as it is.
"""

from dataclasses import dataclass
from typing import Final

from socketlab.wire.fault import Corrupt, Delay, Drop, Fault, Limit, Loss, Reject, Reset, SlowHandshake
from socketlab.wire.match import FLAGS
from socketlab.wire.message import Probed

_OPEN: Final = FLAGS["SYN"]
_DATA: Final = FLAGS["PSH"] | FLAGS["ACK"]
_PAYLOAD: Final = b"socketlab probes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is sent, and what shall become of it.

    Args:
        passes: whether it arrives in the sink.
        least: seconds after which it does, at the earliest.
        flags: TCP's, of the probe.
        payload: its.
    """

    passes: bool
    least: float = 0.0
    flags: int = _OPEN
    payload: bytes = b""

    def is_met(self, seen: Probed, *, late: bool = False) -> bool:
        """Whether it is so; `late`: as far as can be told before what waits has arrived."""
        return seen.bitten == 1 and (late or seen.passed == self.passes)

    def said(self) -> str:
        """As an error shows it: bitten, arrived."""
        after = f" (>= {self.least:g} s)" if self.least else ""
        return f"1, {int(self.passes)}{after}"


def expected_of(fault: Fault) -> Expected:
    """What a fault's twin shall do."""
    match fault:
        case Drop() | Loss() | Reject():
            return Expected(passes=False)
        case Limit(then="drop"):
            return Expected(passes=False, flags=_DATA, payload=_PAYLOAD)
        case Delay(seconds=seconds) | SlowHandshake(seconds=seconds):
            return Expected(passes=True, least=seconds)
        case Limit() | Corrupt() | Reset():
            return Expected(passes=True, flags=_DATA, payload=_PAYLOAD)
    return Expected(passes=True)
