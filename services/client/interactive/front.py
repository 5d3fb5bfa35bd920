"""What a session needs of whoever is in front of it: a person at a terminal, or a pipe."""

from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Protocol, TypeAlias

from services.client.interactive.prompt import Typed
from services.client.interactive.talk import Heard
from socketlab.wire import Outcome


class EndOfInput(Enum):
    """There is no more to say."""

    END = auto()


Said: TypeAlias = Typed | EndOfInput


class Front(Protocol):
    """Who types, and is shown what happens."""

    @property
    def patient(self) -> bool:
        """Whether it decides by itself how long to wait."""

    def opened(self) -> AbstractContextManager[None]:
        """While the session lasts."""

    def watched(self, *, reading: bool) -> list[int]:
        """Descriptors to wait for.

        Args:
            reading: also those on which lines come.
        """

    def read(self, descriptor: int) -> list[Said]:
        """Take what is ready on one of these."""

    @property
    def due(self) -> float | None:
        """When `tick` has something to do, on the clock; None: never."""

    def tick(self) -> None:
        """Do what has come due."""

    def no_more(self) -> None:
        """Nothing more can be said."""

    def heard(self, heard: Heard) -> None:
        """Show what the peer said."""

    def notice(self, text: str) -> None:
        """Show what happened."""

    def told(self, outcome: Outcome) -> None:
        """A call was made."""

    def flush(self) -> None:
        """Everything shall be visible now."""
