"""The words that both sides of the wire speak: faults, leases, outcomes, events, errors, as JSON lines.

Standard library only, and no I/O: it is imported by every program in every host. Each name loads its module
when it is first asked for: an actor, which speaks of calls only, starts 20 ms earlier.
"""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.wire.errors import FaultError, SocketlabError, WireError
    from socketlab.wire.event import Event
    from socketlab.wire.fault import ANSWERS, ROUTE_TYPES, Drop, Fault, Match, Reject, Route
    from socketlab.wire.lease import Lease
    from socketlab.wire.lines import LIMITS, Limits, LineBuffer
    from socketlab.wire.message import (
        VERSION,
        Add,
        Applied,
        Attach,
        Attached,
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

_HOMES = {
    "ANSWERS": "fault",
    "Add": "message",
    "Applied": "message",
    "Attach": "message",
    "Attached": "message",
    "Drop": "fault",
    "Event": "event",
    "Failure": "message",
    "Fault": "fault",
    "FaultError": "errors",
    "Happened": "message",
    "Heal": "message",
    "Kind": "message",
    "KindList": "message",
    "Kinds": "message",
    "LIMITS": "lines",
    "Lease": "lease",
    "Leases": "message",
    "Limits": "lines",
    "LineBuffer": "lines",
    "List": "message",
    "Listener": "message",
    "Match": "fault",
    "Message": "message",
    "Outcome": "outcome",
    "ProgramReport": "message",
    "ProgramState": "message",
    "ROUTE_TYPES": "fault",
    "Raised": "outcome",
    "Ready": "message",
    "Reject": "fault",
    "Returned": "outcome",
    "Route": "fault",
    "SocketlabError": "errors",
    "VERSION": "message",
    "Value": "outcome",
    "Verdict": "outcome",
    "WireError": "errors",
    "decode": "message",
    "encode": "message",
}
__all__ = [
    "ANSWERS",
    "LIMITS",
    "ROUTE_TYPES",
    "VERSION",
    "Add",
    "Applied",
    "Attach",
    "Attached",
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
__getattr__, __dir__ = lazily(__name__, _HOMES)
