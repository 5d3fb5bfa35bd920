"""rtnetlink: the queue of a link, made and read (tc(8), linux/rtnetlink.h, linux/pkt_sched.h).

The one discipline here is the token bucket filter (tc-tbf(8)): it holds a link to a rate, and cuts what a
network card would cut (TSO) before it counts.
"""

import struct
from dataclasses import dataclass

from services.netlink.attributes import attribute, nested, parse, read_text, text
from services.netlink.errors import malformed
from services.netlink.message import ACK, CREATE, ECHO, EXCL, REQUEST, Request

_NEWQDISC, _GETQDISC = 36, 38
_KIND, _OPTIONS = 1, 2
_ROOT = 0xFFFFFFFF
_TBF_PARAMETERS, _TBF_BURST = 1, 6
_ETHERNET = 1
"""Of the link layer: the kernel then counts bytes itself, and wants no table of a rate's times."""
_TICK_NS = 64
"""What the kernel counts times of a rate in (PSCHED_SHIFT, net/pkt_sched.h)."""
_NS = 1_000_000_000
_MESSAGE = struct.Struct("=BxxxiIII")
_RATE = struct.Struct("=BBHhHI")
_LIMITS = struct.Struct("=III")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket.

    Args:
        rate: bytes/s.
        burst: bytes that may pass at once; a larger packet is cut where it can be, else lost.
        limit: bytes that may wait.
    """

    rate: int
    burst: int
    limit: int


def new_bucket(link: int, bucket: Bucket) -> Request:
    """Give a link this queue; ENOENT where the kernel has no tbf."""
    rate = _RATE.pack(0, _ETHERNET, 0, 0, 0, bucket.rate)
    ticks = min(bucket.burst * _NS // bucket.rate // _TICK_NS, 0xFFFFFFFF)
    parameters = rate + _RATE.pack(0, 0, 0, 0, 0, 0) + _LIMITS.pack(bucket.limit, ticks, 0)
    options = nested(
        _OPTIONS,
        attribute(_TBF_PARAMETERS, parameters),
        attribute(_TBF_BURST, struct.pack("=I", bucket.burst)),
    )
    payload = _MESSAGE.pack(0, link, 0, _ROOT, 0) + text(_KIND, "tbf") + options
    return Request("RTM_NEWQDISC tbf", _NEWQDISC, REQUEST | ACK | CREATE | EXCL, payload)


def find_queue(link: int) -> Request:
    """Ask for a link's queue; the kernel answers who asked only with `ECHO`."""
    return Request("RTM_GETQDISC", _GETQDISC, REQUEST | ECHO, _MESSAGE.pack(0, link, 0, _ROOT, 0))


def bucket_of(payload: bytes) -> Bucket | None:
    """Read the answer to `find_queue`; its burst is not told. None: another discipline.

    Raises:
        MalformedError: the bytes are no such message.
    """
    if len(payload) < _MESSAGE.size:
        raise malformed("qdisc", f"{len(payload)} bytes")
    fields = dict(parse(payload[_MESSAGE.size :]))
    if read_text(fields.get(_KIND, b"")) != "tbf":
        return None
    parameters = dict(parse(fields.get(_OPTIONS, b""))).get(_TBF_PARAMETERS, b"")
    if len(parameters) < _RATE.size * 2 + _LIMITS.size:
        raise malformed("tbf", f"{len(parameters)} bytes")
    rate = _RATE.unpack_from(parameters)[-1]
    limit, ticks, _mtu = _LIMITS.unpack_from(parameters, _RATE.size * 2)
    return Bucket(rate, ticks * _TICK_NS * rate // _NS, limit)
