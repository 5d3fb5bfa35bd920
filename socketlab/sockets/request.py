"""A call that is ready to be sent: its arguments are checked, and it knows what to make of the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from socket import AddressFamily, SocketKind
from typing import Any, Generic, TypeVar

from socketlab.wire.errors import WireError

T = TypeVar("T")


def same(value: Any) -> Any:
    """What came is what is returned."""
    return value


@dataclass(slots=True)
class Request(Generic[T]):
    """A call, ready to be sent.

    Args:
        name: as the actor's table has it.
        args: as the wire carries them.
        read: makes the value that the caller sees of the one that came.
        on: the handle that it is made on; None: of the module.
        keep: whatever must not be collected while the call is in flight: the socket that it is made on.
    """

    name: str
    args: tuple[Any, ...]
    read: Callable[[Any], T]
    on: int | None = None
    keep: object = None

    def value(self, came: Any) -> T:
        """What the caller sees.

        Raises:
            WireError: what came is of a shape that this call never returns.
        """
        try:
            return self.read(came)
        except (TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
            seen = ascii(came)[:60]
            raise WireError(
                "wire-type", where=self.name, expected="what the call returns", seen=seen
            ) from error


def family_of(number: int) -> AddressFamily | int:
    """A family as the module `socket` shows it."""
    try:
        return AddressFamily(number)
    except ValueError:
        return number


def kind_of(number: int) -> SocketKind | int:
    """A type of socket as the module `socket` shows it."""
    try:
        return SocketKind(number)
    except ValueError:
        return number
