"""Telling what this kernel lacks from what it refuses."""

from errno import EAFNOSUPPORT, ENODEV, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT

from services.messages import ServiceError
from services.netlink.errors import NetlinkError

LACKS = "agent.lacks"
"""The error of a machine that cannot have a kind of fault."""
_NOT_THERE = {ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENODEV}
"""What the kernel answers where it was built, or is run, without the part: an expression (ENOENT), IPv6."""


def lacking(error: NetlinkError, fault: str) -> ServiceError:
    """The error for a user: the kernel lacks what the fault needs, or what it said otherwise."""
    if error.errno not in _NOT_THERE:
        return error
    return ServiceError(LACKS, fault=fault, why=str(error))
