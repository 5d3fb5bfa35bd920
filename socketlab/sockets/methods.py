"""Methods made of prepared calls: one that waits for the answer, one that does not."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from socketlab.sockets.actor import Actor, Begin
    from socketlab.sockets.over_there import BeginOnSocket, Socket
    from socketlab.sockets.pending import Pending
    from socketlab.sockets.request import Request

P = ParamSpec("P")
T = TypeVar("T")


def on_socket(prepare: Callable[Concatenate[Socket, P], Request[T]]) -> Callable[Concatenate[Socket, P], T]:
    """A method of a socket that makes a call and waits for what it gives."""

    @wraps(prepare)
    def method(self: Socket, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.actor.make(prepare(self, *args, **kwargs))

    return method


def begun_on_socket(
    prepare: Callable[Concatenate[Socket, P], Request[T]],
) -> Callable[Concatenate[BeginOnSocket, P], Pending[T]]:
    """A method that begins a call on a socket, to be awaited later."""

    @wraps(prepare)
    def method(self: BeginOnSocket, /, *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        return self.socket.actor.start(prepare(self.socket, *args, **kwargs))

    return method


def of_module(prepare: Callable[Concatenate[Actor, P], Request[T]]) -> Callable[Concatenate[Actor, P], T]:
    """A method of an actor that makes a call and waits for what it gives."""

    @wraps(prepare)
    def method(self: Actor, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.make(prepare(self, *args, **kwargs))

    return method


def begun_of_module(
    prepare: Callable[Concatenate[Actor, P], Request[T]],
) -> Callable[Concatenate[Begin, P], Pending[T]]:
    """A method that begins a call of an actor's, to be awaited later."""

    @wraps(prepare)
    def method(self: Begin, /, *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        return self.actor.start(prepare(self.actor, *args, **kwargs))

    return method
