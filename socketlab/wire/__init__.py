"""The words that both sides of the wire speak: faults, leases, outcomes, events, errors, as JSON lines.

Standard library only, and no I/O: it is imported by every program in every host.
"""

from socketlab.wire.errors import FaultError, SocketlabError, WireError
from socketlab.wire.event import Event
from socketlab.wire.fault import ANSWERS, ROUTE_TYPES, Drop, Fault, Match, Reject, Route
from socketlab.wire.lease import Lease
from socketlab.wire.lines import LIMITS, Limits, LineBuffer
from socketlab.wire.message import (
    VERSION,
    Add,
    Applied,
    Failure,
    Happened,
    Heal,
    Kind,
    KindList,
    Kinds,
    Leases,
    List,
    Listener,
    Message,
    ProgramReport,
    ProgramState,
    Ready,
    decode,
    encode,
)
from socketlab.wire.outcome import Outcome, Raised, Returned, Value, Verdict

__all__ = [
    "ANSWERS",
    "LIMITS",
    "ROUTE_TYPES",
    "VERSION",
    "Add",
    "Applied",
    "Drop",
    "Event",
    "Failure",
    "Fault",
    "FaultError",
    "Happened",
    "Heal",
    "Kind",
    "KindList",
    "Kinds",
    "Lease",
    "Leases",
    "Limits",
    "LineBuffer",
    "List",
    "Listener",
    "Match",
    "Message",
    "Outcome",
    "ProgramReport",
    "ProgramState",
    "Raised",
    "Ready",
    "Reject",
    "Returned",
    "Route",
    "SocketlabError",
    "Value",
    "Verdict",
    "WireError",
    "decode",
    "encode",
]
