"""The kinds of fault by the words that ask for them, each with an example that bites nobody.

The examples' addresses are those that documentation has for itself (RFC 5737, RFC 3849): no host has them. So
each can be put in force for a moment to see whether this kernel has what it takes, except those of `UNTRIED`:
they would take the host's own link down.
"""

from socketlab.wire.fault import ANSWERS, ROUTE_TYPES, Fault
from socketlab.wire.words import fault_of, option_names, resolved, split

_NOBODY = ("192.0.2.1", "2001:db8::1")
_ADDRESS = _NOBODY[0]

_LINES = {
    "drop": "drop",
    "drop --direction out": "drop --direction out",
    **{f"reject {answer}": f"reject {answer}" for answer in ANSWERS},
    "delay": "delay 1ms",
    "loss": "loss 1%",
    "duplicate": "duplicate",
    "reorder": "reorder",
    "corrupt": "corrupt",
    "corrupt --checksum valid": "corrupt --checksum valid",
    "throttle": "throttle 10mbit",
    "throttle --direction out": "throttle 10mbit --direction out",
    "mtu": f"mtu 1400 --to {_ADDRESS}",
    "pmtu-black-hole": "pmtu-black-hole",
    "slow-handshake": "slow-handshake 1ms",
    "reset": "reset",
    "reset --now": "reset --now",
    "hold": "hold",
    "limit": "limit 1mb",
    "limit --then reset": "limit 1mb --then reset",
    "segments": "segments 500",
    **{f"route {route}": f"route {route} {_ADDRESS}" for route in ROUTE_TYPES},
    "link": "link",
    "link --down --up": "link --down 1s --up 1s",
    "neighbour": "neighbour",
}
UNTRIED = frozenset({"link", "link --down --up"})
"""Kinds whose example must not be tried on a host."""


def _example(line: str) -> Fault:
    words = split(line)
    options = option_names(words[0])
    if "--peer" in options:
        words += ["--peer", "nobody"]
    if "--proto" in options:
        words += ["--proto", "tcp"]
    return resolved(fault_of(words), lambda _: _NOBODY)


EXAMPLES: dict[str, Fault] = {name: _example(line) for name, line in _LINES.items()}
