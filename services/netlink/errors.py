"""What can go wrong with netlink: the kernel refuses, or its bytes cannot be read."""

import errno as errno_names

from services.messages import ServiceError


class MalformedError(ServiceError):
    """Bytes that are no netlink message or attribute."""


def malformed(what: str, seen: str) -> MalformedError:
    """The error for bytes that cannot be read.

    Args:
        what: what was being read.
        seen: what was wrong with it.
    """
    return MalformedError("netlink.malformed", what=what, seen=seen)


class NetlinkError(ServiceError):
    """The kernel refused a request.

    Args:
        request: name of the request, as the kernel's headers have it.
        errno: what it answered.
        why: the kernel's own words, or those of its errno.
    """

    def __init__(self, request: str, errno: int, why: str) -> None:
        name = errno_names.errorcode.get(errno, str(errno))
        super().__init__("netlink.refused", request=request, errno=name, why=why)
        self.request = request
        self.errno = errno
