"""Whose fault it was: the peer's, or ours.

ServiceError
└── ProtocolError
    ├── RemoteProtocolError    the peer's bytes do not conform
    └── LocalProtocolError     our own program used a session wrongly
"""

from collections.abc import Sequence
from typing import Any

from services.messages import ServiceError


class ProtocolError(ServiceError):
    """A rule of a protocol was broken."""


class RemoteProtocolError(ProtocolError):
    """The peer broke it. The session is over.

    Args:
        code: as of `ServiceError`.
        events: what the same bytes held before the offence: still valid, still to be answered.
        details: as of `ServiceError`.
    """

    def __init__(self, code: str, events: Sequence[Any] = (), **details: object) -> None:
        super().__init__(code, **details)
        self.events = tuple(events)


class LocalProtocolError(ProtocolError):
    """Our program did: it gave a session bytes after its end, or asked for what cannot be said."""
