"""When a call's outcome is felt: classes of time, not times.

Theory of operation
    A lower bound is exact: no timer fires early, so an outcome before it is not the one documented, unless
    the timer is shared and somebody else had started it. An upper bound is generous, because a busy machine
    makes anything late. What milliseconds were seen is shown, and never asserted.
"""

from dataclasses import dataclass
from typing import Final

from socketlab.wire.fault import Answer, Family

_SLACK: Final = 1.5
"""Seconds that a busy machine may add to a timer before the outcome proves nothing."""


@dataclass(frozen=True, slots=True)
class TimeClass:
    """A class of time.

    Args:
        name: of its words in the catalogue, `client.when.<name>`.
        earliest: seconds; sooner is another outcome.
        latest: seconds; later proves nothing.
        shared: whether the timer may have been running before the call; then sooner proves nothing either.
    """

    name: str
    earliest: float
    latest: float
    shared: bool = False


IMMEDIATE: Final = TimeClass("immediate", 0.0, 0.5)
"""Nothing is waited for: the kernel knows, or the peer's answer is on the way."""

SECOND_SYN: Final = TimeClass("second-syn", 1.0, 1.9)
"""TCP's first retransmission of a SYN comes after 1 s (RFC 6298 2.1), the next one 1 s later
(`tcp_syn_linear_timeouts`)."""

NAME_LOOKUP: Final = TimeClass("name-lookup", 0.0, 15.0)
"""As fast as the resolver; one that gets no answer tries for as long as resolv.conf(5) tells it."""


def after_timer(seconds: float) -> TimeClass:
    """After a timer of so many seconds, the program's (`settimeout`) or the kernel's."""
    return TimeClass("timer", seconds, seconds + _SLACK)


NEIGHBOUR_LOST: Final = TimeClass("timer", 3.0, 3.0 + _SLACK, shared=True)
"""Three ARP requests or neighbour solicitations, a second apart, stay without answer (arp(7)
`mcast_solicit`, RFC 4861 10). Shared by all who wait for the same neighbour."""


def reject_is_felt(answer: Answer, family: Family, *, blocking: bool, delay: float = 0.001) -> TimeClass:
    """When `connect` feels that a firewall rejected its SYN, on a path without latency of its own.

    On a veth a bare ICMP error arrives while the sender still holds its socket, and the kernel keeps it as a
    soft error, felt at the second SYN: always on IPv6, on IPv4 when the socket blocks (measured). With 1 ms
    of latency on the way back it is felt at once. A reset is felt at once in any case.

    Args:
        answer: what the firewall sends.
        family: of the connection.
        blocking: whether the socket has no timeout.
        delay: seconds that an ICMP answer takes (`Reject.delay`).
    """
    if delay or answer == "tcp-reset" or (family == "ipv4" and not blocking):
        return IMMEDIATE
    return SECOND_SYN
