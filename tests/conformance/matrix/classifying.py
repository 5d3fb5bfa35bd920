"""What a conversation was like, in one word; pure."""

import errno
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Class: TypeAlias = Literal[
    "fine",
    "slow",
    "lossy",
    "doubled",
    "disordered",
    "corrupted",
    "refused",
    "reset",
    "unreachable",
    "silent",
]
SLOW_SECONDS: Final = 0.7
"""What is slow here is made so by 0.8 s and more; what is not takes milliseconds, or some more."""
_BY_ERRNO: Final[dict[int, Class]] = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EACCES: "unreachable",
    errno.EINVAL: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",  # IPv6, of a host that has no link and so no address
    errno.ENOPROTOOPT: "refused",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A conversation.

    Args:
        sent: what was to come back, piece by piece.
        got: what came back.
        seconds: until the last of it.
        error: what ended it; None: nothing did. TimeoutError: the program's own timer.
    """

    sent: tuple[bytes, ...]
    got: tuple[bytes, ...]
    seconds: float
    error: OSError | None = None


def class_of(seen: Seen) -> Class:
    """The word for it: the first of these that holds."""
    if seen.error is not None and not isinstance(seen.error, TimeoutError):
        return _BY_ERRNO[seen.error.errno or 0]
    sent, got = set(seen.sent), set(seen.got)
    holds: dict[Class, bool] = {
        "silent": not got,
        "corrupted": not got <= sent,
        "lossy": bool(sent - got),
        "doubled": len(seen.got) > len(seen.sent),
        "disordered": seen.got != seen.sent,
        "slow": seen.seconds >= SLOW_SECONDS,
    }
    return next((word for word, is_so in holds.items() if is_so), "fine")
