"""What sockets need of the way to an actor."""

from typing import Protocol


class Stream(Protocol):
    """The part of `hosts.backend.Stream` that a channel needs."""

    def send(self, data: bytes) -> None:
        """Write all of it."""

    def receive(self, timeout: float | None) -> bytes:
        """What has arrived; `b""` at the end."""

    def close(self) -> None:
        """End it."""
