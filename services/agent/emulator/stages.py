"""From a fault to its stage: which packets it takes, and what it does with them."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

from services.agent.emulator import chance, cutting, holding, rewriting, timing, verdicts
from services.agent.emulator.line import Line
from services.agent.emulator.matching import Taken, established_of, handshake_of, opening_of, taken_by
from services.agent.emulator.stage import Bite, Stage
from services.agent.emulator.which import chooser
from socketlab.wire.fault import (
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Fault,
    Hold,
    Limit,
    Loss,
    Reject,
    Reorder,
    Reset,
    Segments,
    SlowHandshake,
)
from socketlab.wire.match import Match

Emulated: TypeAlias = (
    Corrupt
    | Delay
    | Drop
    | Duplicate
    | Hold
    | Limit
    | Loss
    | Reject
    | Reorder
    | Reset
    | Segments
    | SlowHandshake
)

_BITES: dict[type[Fault], Callable[[Stage, Any, Line], Bite]] = {
    Corrupt: rewriting.corrupt,
    Delay: timing.delay,
    Drop: lambda stage, _fault, line: verdicts.drop(stage, line),
    Duplicate: verdicts.duplicate,
    Hold: holding.hold,
    Limit: cutting.limit,
    Loss: chance.loss,
    Reorder: timing.reorder,
    Reset: cutting.reset,
    Segments: rewriting.segments,
    SlowHandshake: timing.slow_handshake,
}


def is_emulated(fault: Fault) -> TypeGuard[Emulated]:
    """Whether the emulator has this kind of fault."""
    if isinstance(fault, Reset):
        return not fault.now
    return isinstance(fault, Reject) or type(fault) in _BITES


def match_for(fault: Emulated) -> Match:
    """The packets that must be handed over for it: as few as nft can tell, and none less than it takes."""
    match = fault.match
    if isinstance(fault, SlowHandshake) and match.direction != "both":
        return dataclasses.replace(match, flags="SYN,!ACK")
    if isinstance(fault, Reject) and fault.family is not None and match.family is None:
        return dataclasses.replace(match, family=fault.family)
    return match


def taken(fault: Emulated) -> Taken:
    """Whether a fault's match takes a packet: what the kind says of it included."""
    if isinstance(fault, SlowHandshake):
        return handshake_of(fault)
    if isinstance(fault, Segments):
        return opening_of(fault.match)
    if isinstance(fault, Reset):
        return established_of(fault.match)
    return taken_by(match_for(fault))


def make_stage(lease: str, order: int, fault: Emulated, line: Line, mark: int) -> Stage:
    """The stage of a fault.

    Args:
        lease: its name.
        order: of applying.
        fault: the fault.
        line: where it stands.
        mark: of a refusal, for the rule that refuses.
    """
    stage = Stage(lease, order, taken(fault), chooser(fault.match.which))
    if isinstance(fault, Reject):
        stage.bite = verdicts.reject(stage, line, mark)
    else:
        stage.bite = _BITES[type(fault)](stage, fault, line)
    return stage
