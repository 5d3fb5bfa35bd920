"""The faults that are put in force, by the words that ask for them, and in how long they are to be."""

from typing import Final

from socketlab.wire.fault import Fault
from socketlab.wire.words import fault_of, split

PEER: Final = "client"
NOBODY: Final = "198.51.100.1"
"""An address of documentation (RFC 5737)."""
_MATCH: Final = f"--peer {PEER} --port 7000 --proto tcp"
_ICMP: Final = f"--peer {PEER} --family ipv4"

NFT: Final = {
    "drop": f"drop {_MATCH}",
    "drop --direction out": f"drop {_MATCH} --direction out",
    "drop --first": f"drop {_MATCH} --flags SYN --first 2",
    "drop --probability": f"drop {_MATCH} --probability 10% --seed 1",
    "reject tcp-reset": f"reject tcp-reset {_MATCH}",
    "reject icmp-host": f"reject icmp-host {_ICMP}",
    "pmtu-black-hole": "pmtu-black-hole",
}
EMULATOR: Final = {
    "delay": f"delay 20ms {_MATCH}",
    "loss": f"loss 10% {_MATCH}",
    "duplicate": f"duplicate {_MATCH}",
    "reorder": f"reorder {_MATCH}",
    "corrupt": f"corrupt {_MATCH}",
    "slow-handshake": f"slow-handshake 20ms {_MATCH}",
    "reset": f"reset {_MATCH}",
    "hold": f"hold {_MATCH}",
    "limit": f"limit 1mb {_MATCH}",
    "segments": f"segments 500 {_MATCH}",
}
TC_AND_ROUTES: Final = {
    "throttle": f"throttle 10mbit {_MATCH}",
    "throttle --direction out": f"throttle 10mbit {_MATCH} --direction out",
    "route": f"route unreachable {NOBODY}",
    "mtu": "mtu 1400 --to {address}",
    "neighbour": f"neighbour {_ICMP}",
}
ALL: Final = {**NFT, **EMULATOR, **TC_AND_ROUTES}


def fault(name: str, address: str) -> Fault:
    """The fault of a row.

    Args:
        name: of the row.
        address: of the peer, IPv4.
    """
    return fault_of(split(ALL[name].format(address=address)))
