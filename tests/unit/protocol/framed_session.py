"""What the tests of `framed` share: a clock that stands still, frames by hand, and the frames in bytes."""

from typing import Any

from services.protocol.framing import LIMITS, FrameBuffer, Kind, Limits, frame, to_json

SENT_NS = 1_700_000_000_000_000_000


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sent_ns() -> int:
    """A time of day that never changes, so that equal frames are equal bytes."""
    return SENT_NS


def by_hand(kind: int, ident: int, payload: bytes | dict[str, Any] = b"{}") -> bytes:
    """One frame, whatever its payload."""
    return frame(kind, ident, payload if isinstance(payload, bytes) else to_json(payload), SENT_NS)


def hello() -> bytes:
    """The first frame of a session."""
    return by_hand(Kind.HELLO, 0)


def ask(ident: int, **payload: Any) -> bytes:
    """A request."""
    return by_hand(Kind.REQUEST, ident, payload)


def frames(data: bytes, limits: Limits = LIMITS) -> list[tuple[str, int, dict[str, Any]]]:
    """The whole frames that `data` is made of: type, id and payload."""
    buffer = FrameBuffer(limits)
    found: list[tuple[str, int, dict[str, Any]]] = [
        (Kind(kind).name, ident, payload) for kind, ident, payload, _ in buffer.frames(data)
    ]
    buffer.finish()
    return found


def codes(data: bytes) -> list[tuple[str, int, str]]:
    """As `frames`, with only the code of each ERROR, and nothing of the others' payload."""
    return [(kind, ident, str(payload.get("code", ""))) for kind, ident, payload in frames(data)]
