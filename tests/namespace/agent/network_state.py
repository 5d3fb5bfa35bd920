"""All that the kernel tells of a network namespace, to be compared byte for byte.

Masked are counters, handles and lifetimes, which no one can put back. Two things the kernel does by itself in
a link's first seconds, and after it was down: whether anybody else has its addresses (`tentative`), and the
route to its own address that comes of it.
"""

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Final

_FOR_EACH_LINK: Final = "for link in $(ip -o link | cut -d: -f2 | cut -d@ -f1); do "
COMMANDS: Final = (
    "nft -s list ruleset",
    "iptables-legacy-save",
    "ip6tables-legacy-save",
    "tc qdisc show",
    _FOR_EACH_LINK + "tc class show dev $link; tc filter show dev $link; done",
    _FOR_EACH_LINK + "tc filter show dev $link ingress 2>&1; tc filter show dev $link egress 2>&1; done",
    "ip -d link",
    "ip addr",
    "ip route show table all",
    "ip -6 route show table all",
    "ip rule",
    "ip -6 rule",
    "ip neigh show nud permanent",
    "ip -6 neigh show proxy",
    "ip maddr | sort",
    "grep -rs . /proc/sys/net | sort",
)
_BETWEEN: Final = "======"
_MASKED: Final = re.compile(
    r"(?:valid_lft|preferred_lft|expires|age|users|packets|bytes) \w+|^# .*$|\[\d+:\d+\]|"
    r"^/proc/sys/net/netfilter/nf_conntrack_count:\d+$",
    re.MULTILINE,
)


def network_state(run: Callable[..., str]) -> list[str]:
    """What each of `COMMANDS` tells, of the namespace that `run` runs a program in."""
    told = run("sh", "-c", f"; echo {_BETWEEN}; ".join(COMMANDS)).split(f"{_BETWEEN}\n")
    assert len(told) == len(COMMANDS), told
    return [_MASKED.sub("-", part) for part in told]


def is_settled(state: list[str]) -> bool:
    """Whether the kernel has looked whose the addresses are."""
    return "tentative" not in state[COMMANDS.index("ip addr")]


def rules_of(state: list[str]) -> str:
    """What `nft` tells."""
    return state[0]


def difference(expected: list[str], seen: list[str]) -> str:
    """What is there and should not be, and the other way about."""
    lines = []
    for command, one, other in zip_longest(COMMANDS, expected, seen, fillvalue=""):
        was, now = one.splitlines(), other.splitlines()
        if one != other:
            lines += [command, *(f"- {line}" for line in was if line not in now)]
            lines += [*(f"+ {line}" for line in now if line not in was), "(or their order)"]
    return "\n".join(lines)
