"""A call that was begun and is awaited later."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Generic, TypeVar

from socketlab.errors import CallError, LabError
from socketlab.messages import say
from socketlab.wire.call import Value

if TYPE_CHECKING:
    from socketlab.sockets.actor import Actor
    from socketlab.sockets.in_flight import InFlight
    from socketlab.sockets.request import Request
    from socketlab.wire.outcome import Outcome

T = TypeVar("T")


class StillRunningError(LabError, TimeoutError):
    """`Pending.result(timeout)`: the call over there has not ended yet, and goes on.

    It is a TimeoutError without an errno; a timeout that the call itself met over there is a TimeoutError
    that is none of this class.
    """

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code, **details)
        self.errno = None
        self.strerror = None


class Pending(Generic[T]):
    """A call over there that nobody waits for yet: `pending = listener.begin.accept()`.

    Somebody must, with `result`, or give it up with `cancel`: one that is dropped is a ResourceWarning and
    cancelled, and one that has failed, or still runs, when its host's actor is closed is a CallError.
    """

    def __init__(self, actor: Actor, request: Request[T], call: InFlight) -> None:
        self._actor = actor
        self._request = request
        self._call = call
        self._value: list[T] = []
        self._cancelled = False
        self._taking = threading.Lock()

    def result(self, timeout: float | None = None) -> T:
        """Wait for what the call returns.

        Args:
            timeout: seconds at most; None: as long as it takes. The call goes on when they are over.

        Raises:
            StillRunningError: the call has not ended within `timeout` seconds.
            CallError: it was cancelled, or the actor would not make it.
            EndedError: the actor is gone.
            Exception: what the call raised over there.
        """
        if self._value:
            return self._value[0]
        if self._cancelled:
            raise CallError("sockets.cancelled", host=self._actor.host, call=self.call)
        try:
            ended = self._actor.wait(self._call, timeout)
        except KeyboardInterrupt as error:
            error.add_note(say("sockets.interrupted-wait", call=self.call))
            raise
        if not ended:
            raise StillRunningError(
                "sockets.still-running", host=self._actor.host, call=self.call, seconds=f"{timeout:g}"
            )
        self._settled()
        with self._taking:
            if not self._value:
                self._value.append(self._actor.finish(self._request, self._call))
        return self._value[0]

    def done(self) -> bool:
        """Whether the call has ended, or was cancelled."""
        if self._call.answer is None and not self._cancelled:
            self._actor.look()
        return self._cancelled or self._call.answer is not None

    def cancel(self) -> bool:
        """Give the call up; whether it was still running.

        Nothing is shut down over there: the call goes on until its socket or its actor ends, and what it
        gives then is dropped, an accepted connection closed.
        """
        running = not self.done() and self._actor.abandon(self._call)
        self._cancelled = self._cancelled or running
        self._settled()
        return running

    @property
    def cancelled(self) -> bool:
        """Whether it was given up before it ended."""
        return self._cancelled

    @property
    def call(self) -> str:
        """The call as written: `client:3 accept()`."""
        return self._actor.written(self._call)

    @property
    def outcome(self) -> Outcome | None:
        """What the call gave; None as long as it has not ended, or when it was cancelled."""
        if not self.done() or self._cancelled:
            return None
        self._settled()
        return self._actor.outcome(self._call)

    def _settled(self) -> None:
        self._actor.settled(self._call)

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else "running" if self._call.answer is None else "ended"
        return f"<Pending {self._actor.host} {self.call} {state}>"

    def __del__(self) -> None:
        call = getattr(self, "_call", None)
        if call is None or self._value or self._cancelled:
            return
        if call.answer is None or isinstance(call.answer, Value):
            self._actor.orphan(call)
        if not call.awaited:
            call.awaited = True
            text = say("sockets.unawaited", host=self._actor.host, call=self.call)
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
