"""Faults of a lab: made, put in force, proven, listed, healed.

    from socketlab.faults import drop, first

    with demo.server.faults.apply(drop(peer=demo.client, port=7000, flags="SYN", which=first(2))) as lease:
        ...
    print(lease.bitten, lease.log)

making, model           faults as data, and functions that make them
board, lease            what is in force in a lab: `lab.faults`, `host.faults`
one_host, watching      the same of one host; who is told of what
reach, agents, together the way to each host's agent
naming, acting          what a name server answers; what is done to hosts from outside
verifying, trials, expecting, sinks, probes    that a fault bites
capturing, recognising, pcapng                 packets, and which of them a fault bit
words                   faults as they are typed
plans                   what happens when
"""

from typing import TYPE_CHECKING

from socketlab.wire.lazily import lazily

if TYPE_CHECKING:
    from socketlab.faults.board import Board
    from socketlab.faults.lease import Lease
    from socketlab.faults.making import (
        after,
        at_most,
        corrupt,
        delay,
        disconnect,
        dns,
        drop,
        duplicate,
        every,
        first,
        hold,
        kill,
        limit,
        link,
        loss,
        match,
        mtu,
        neighbour,
        nth,
        partition,
        pause,
        pmtu_black_hole,
        probability,
        reject,
        reorder,
        reset,
        restart,
        route,
        segments,
        slow_handshake,
        stop_process,
        throttle,
    )
    from socketlab.faults.model import Dns, HostAction, LabFault, Partition

_HOMES = {
    "Board": "board",
    "Dns": "model",
    "HostAction": "model",
    "LabFault": "model",
    "Lease": "lease",
    "Partition": "model",
    **dict.fromkeys(
        [
            "after",
            "at_most",
            "corrupt",
            "delay",
            "disconnect",
            "dns",
            "drop",
            "duplicate",
            "every",
            "first",
            "hold",
            "kill",
            "limit",
            "link",
            "loss",
            "match",
            "mtu",
            "neighbour",
            "nth",
            "partition",
            "pause",
            "pmtu_black_hole",
            "probability",
            "reject",
            "reorder",
            "reset",
            "restart",
            "route",
            "segments",
            "slow_handshake",
            "stop_process",
            "throttle",
        ],
        "making",
    ),
}
__all__ = [
    "Board",
    "Dns",
    "HostAction",
    "LabFault",
    "Lease",
    "Partition",
    "after",
    "at_most",
    "corrupt",
    "delay",
    "disconnect",
    "dns",
    "drop",
    "duplicate",
    "every",
    "first",
    "hold",
    "kill",
    "limit",
    "link",
    "loss",
    "match",
    "mtu",
    "neighbour",
    "nth",
    "partition",
    "pause",
    "pmtu_black_hole",
    "probability",
    "reject",
    "reorder",
    "reset",
    "restart",
    "route",
    "segments",
    "slow_handshake",
    "stop_process",
    "throttle",
]
__getattr__, __dir__ = lazily(__name__, _HOMES)
