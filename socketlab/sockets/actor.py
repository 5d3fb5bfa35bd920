"""The actor on a host, as its controller has it: the module `socket` over there.

Theory of operation
    A call is prepared by `module_calls` or `socket_calls`, which check its arguments, travels on the
    channel, and what comes back is read by the request or raised again. `make` does the three at once;
    `start` leaves the waiting to a `Pending`. Each call is an event when it starts and when it is over;
    where nobody listens none is made.
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from socketlab.errors import CallError, EndedError
from socketlab.messages import say
from socketlab.sockets import arranged, module_calls, polling
from socketlab.sockets.channel import Channel
from socketlab.sockets.failures import as_outcome, rebuild, why_refused
from socketlab.sockets.host_event import HostEvent, is_light
from socketlab.sockets.in_flight import Ended, InFlight, is_cancelled
from socketlab.sockets.methods import begun_of_module, of_module
from socketlab.sockets.over_there import Socket
from socketlab.sockets.pending import Pending
from socketlab.sockets.written import returned, written
from socketlab.wire import outcome
from socketlab.wire.call import CALL_VERSION, Hello, Raised, Refused, Value
from socketlab.wire.event import Event
from socketlab.wire.values import Handle

if TYPE_CHECKING:
    from collections.abc import Callable

    from socketlab.sockets.request import Request
    from socketlab.sockets.stream import Stream

T = TypeVar("T")
_ROUNDS: Final = 5
_LIGHT: Final = 512
"""Bytes of a call's line up to which it may be kept as an event that nobody has looked at."""
_GREETING: Final = 30.0
"""Seconds until an actor must have said hello: a container on a busy machine takes a while to start it."""


class Actor:
    """The actor on a host: functions of the module `socket`, made over there.

    Args:
        stream: to the actor, from its first byte on; it is closed with this object.
        host: the host's name.
        events: told of each call when it starts and when it is over; None: nobody listens.
        patience: seconds until the actor must have said hello.

    Raises:
        EndedError: it did not say hello, or speaks another version of the wire.
    """

    def __init__(
        self,
        stream: Stream,
        host: str = "host",
        events: Callable[[HostEvent], None] | None = None,
        *,
        patience: float = _GREETING,
    ) -> None:
        self.host = host
        self._events = events
        listened = events is not None
        self._channel = Channel(
            stream, host, self._begun if listened else None, self._over if listened else None
        )
        self._lock = threading.Lock()
        self._unawaited: dict[int, InFlight] = {}
        self._offset: tuple[int, int] | None = None
        self.hello: Hello = self._channel.greet(patience)
        if self.hello.version != CALL_VERSION:
            self._channel.close()
            seen = self.hello.version
            raise EndedError("sockets.version", host=host, expected=CALL_VERSION, seen=seen)

    @property
    def begin(self) -> Begin:
        """The same calls, begun and awaited later."""
        return Begin(self)

    # -- the module `socket`

    socket = of_module(module_calls.socket_)
    socketpair = of_module(module_calls.socketpair)
    getaddrinfo = of_module(module_calls.getaddrinfo)
    gethostbyname = of_module(module_calls.gethostbyname)
    gethostbyname_ex = of_module(module_calls.gethostbyname_ex)
    gethostbyaddr = of_module(module_calls.gethostbyaddr)
    getnameinfo = of_module(module_calls.getnameinfo)
    getservbyname = of_module(module_calls.getservbyname)
    getservbyport = of_module(module_calls.getservbyport)
    getprotobyname = of_module(module_calls.getprotobyname)
    gethostname = of_module(module_calls.gethostname)
    getfqdn = of_module(module_calls.getfqdn)
    inet_aton = of_module(module_calls.inet_aton)
    inet_ntoa = of_module(module_calls.inet_ntoa)
    inet_pton = of_module(module_calls.inet_pton)
    inet_ntop = of_module(module_calls.inet_ntop)
    htons = of_module(module_calls.htons)
    htonl = of_module(module_calls.htonl)
    ntohs = of_module(module_calls.ntohs)
    ntohl = of_module(module_calls.ntohl)
    if_nameindex = of_module(module_calls.if_nameindex)
    if_nametoindex = of_module(module_calls.if_nametoindex)
    if_indextoname = of_module(module_calls.if_indextoname)
    setdefaulttimeout = of_module(module_calls.setdefaulttimeout)
    getdefaulttimeout = of_module(module_calls.getdefaulttimeout)
    has_dualstack_ipv6 = of_module(module_calls.has_dualstack_ipv6)
    CMSG_LEN = of_module(module_calls.cmsg_len)
    CMSG_SPACE = of_module(module_calls.cmsg_space)
    create_connection = arranged.create_connection
    create_server = arranged.create_server

    # -- the actor's own

    about = of_module(module_calls.about)
    clock = of_module(module_calls.clock)
    sockets = of_module(module_calls.sockets)
    put = of_module(module_calls.put)
    popen = of_module(module_calls.popen)
    call = of_module(module_calls.call)
    select = polling.select_on
    poll = polling.poll
    epoll = polling.epoll

    @property
    def offset_ns(self) -> int:
        """How much the host's monotonic clock is ahead of ours, nanoseconds; measured at the first look."""
        return self._clocks()[0]

    @property
    def known_offset_ns(self) -> int:
        """`offset_ns` if somebody has looked at it, else 0."""
        return 0 if self._offset is None else self._offset[0]

    @property
    def offset_error_ns(self) -> int:
        """How wrong `offset_ns` may be, nanoseconds: half of the quickest round trip."""
        return self._clocks()[1]

    def _clocks(self) -> tuple[int, int]:
        if self._offset is None:
            trips = []
            for _ in range(_ROUNDS):
                sent = time.monotonic_ns()
                call = self._channel.begin("clock")
                self._channel.wait(call)
                came = time.monotonic_ns()
                trips.append(((came - sent) // 2, self._value(call, "clock()") - (sent + came) // 2))
            error, offset = min(trips)
            self._offset = (offset, error)
        return self._offset

    @property
    def ended(self) -> bool:
        """Whether the stream to it is known to have ended."""
        return self._channel.ended()

    @property
    def unawaited(self) -> list[str]:
        """The calls that were begun, have failed or still run, and that nobody has awaited."""
        if not self._channel.ended():
            self._channel.look()
        with self._lock:
            calls = list(self._unawaited.values())
        return [self.written(call) for call in calls if not isinstance(call.answer, Value)]

    def close(self) -> None:
        """End the actor, and with it its sockets and programs. Any number of times.

        Raises:
            CallError: calls were begun that have failed or still run, and nobody awaited them.
        """
        unawaited = self.unawaited
        with self._lock:
            for call in self._unawaited.values():
                call.awaited = True
            self._unawaited.clear()
        self._channel.close()
        if unawaited:
            raise CallError("sockets.never-awaited", host=self.host, calls=", ".join(unawaited))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            self.close()
        except CallError:
            if error is None:  # else it would hide the error that explains why nobody came to wait
                raise

    def __repr__(self) -> str:
        state = "ended" if self.ended else f"pid {self.hello.pid}"
        return f"<Actor {self.host} {state}>"

    # -- for requests, sockets and pendings

    def adopt(self, handle: Handle) -> Socket:
        """The socket that a handle stands for."""
        if type(handle) is not Handle or handle.what != "socket":
            raise TypeError(type(handle).__name__)
        return Socket(self, handle)

    def make(self, request: Request[T]) -> T:
        """Make a call and wait for what it gives.

        Raises:
            CallError: the actor would not make it.
            EndedError: the actor is gone.
            Exception: what the call raised over there.
        """
        call = None
        try:
            call = self._send(request)
            self._channel.wait(call)
        except EndedError:
            raise
        except BaseException as error:
            if call is None or self.abandon(call):
                text = self._placed(request.on, written(request.name, request.args))
                error.add_note(say("sockets.interrupted", host=self.host, call=text))
            raise
        return self.finish(request, call)

    def start(self, request: Request[T]) -> Pending[T]:
        """Begin a call that is awaited later."""
        call = self._send(request)
        with self._lock:
            self._unawaited[call.number] = call
        return Pending(self, request, call)

    def _send(self, request: Request[Any]) -> InFlight:
        if self._events is not None and self._offset is None:
            self._clocks()  # the times of events are the host's
        return self._channel.begin(request.name, request.args, request.on)

    def wait(self, call: InFlight, timeout: float | None) -> bool:
        """Wait for a call's answer; whether it is there."""
        return self._channel.wait(call, timeout)

    def look(self) -> None:
        """Take the answers that have arrived."""
        self._channel.look()

    def finish(self, request: Request[T], call: InFlight) -> T:
        """What an answered call returned.

        Raises:
            CallError: the actor would not make it.
            EndedError: the actor is gone.
            Exception: what the call raised over there.
        """
        answer = call.answer
        if type(answer) is Value:
            return request.value(answer.value)
        raise self._failure(call)

    def _value(self, call: InFlight, name: str) -> int:
        if type(call.answer) is Value and type(call.answer.value) is int:
            return call.answer.value
        if type(call.answer) is Value:
            raise EndedError("sockets.offence", host=self.host, call=name, seen=ascii(call.answer.value)[:60])
        raise self._failure(call)

    def _failure(self, call: InFlight) -> Exception:
        """The exception that a call's answer asks for."""
        answer, text = call.answer, self.written(call)
        if isinstance(answer, Raised):
            error = rebuild(answer)
            error.add_note(text)
            return error
        if isinstance(answer, Ended):
            return answer.error(self.host, text)
        if is_cancelled(answer):
            return CallError("sockets.cancelled", host=self.host, call=text)
        if isinstance(answer, Refused):
            return CallError("sockets.refused", host=self.host, call=text, why=why_refused(answer))
        raise AssertionError(text)  # a call that is not over has no failure

    def abandon(self, call: InFlight) -> bool:
        """Wait for a call no more; whether it was still in flight."""
        abandoned = self._channel.abandon(call)
        if abandoned and self._events is not None:
            self._over(call)
        return abandoned

    def settled(self, call: InFlight) -> None:
        """Somebody has asked what became of a call."""
        call.awaited = True
        with self._lock:
            self._unawaited.pop(call.number, None)

    def orphan(self, call: InFlight) -> None:
        """Nobody can ask for a call any more. Safe in a finaliser."""
        self._channel.orphan(call)

    def forget(self, number: int) -> None:
        """Have a handle closed over there along with the next call. Safe in a finaliser."""
        self._channel.forget(number)

    # -- events

    def written(self, call: InFlight) -> str:
        """A call as written: `client:3 connect(('10.213.7.10', 7000))`."""
        return self._placed(call.on, written(call.name, call.args))

    def _placed(self, on: int | None, text: str) -> str:
        return f"{self.host} {text}" if on is None else f"{self.host}:{on} {text}"

    def _outcome(self, call: InFlight, known_ns: int) -> outcome.Outcome:
        answer = call.answer
        result: outcome.Returned | outcome.Raised
        if isinstance(answer, Value):
            result = returned(answer.value)
        elif answer is None:
            error = CallError("sockets.cancelled", host=self.host, call=self.written(call))
            result = as_outcome(error)
        else:
            result = as_outcome(self._failure(call))
        if isinstance(answer, Value | Raised):
            started, ended = answer.started_ns, answer.ended_ns
        else:  # no call was made over there, or nobody knows what became of it
            ahead = 0 if self._offset is None else self._offset[0]
            started, ended = call.began_ns + ahead, known_ns + ahead
        text = written(call.name, call.args)
        return outcome.Outcome(call=text, result=result, started_ns=started, ended_ns=ended)

    def outcome(self, call: InFlight) -> outcome.Outcome | None:
        """What a call gave; None of one that is still in flight."""
        answer = call.answer
        if answer is None and not call.abandoned:
            return None
        return self._outcome(call, time.monotonic_ns())

    def _over(self, call: InFlight) -> None:
        if self._offset is None:
            return  # it is the measurement of the clock itself
        answer = call.answer
        light = type(answer) is Value and call.size <= _LIGHT and is_light(answer.value)
        make = partial(self._ended, call, time.monotonic_ns())
        self._publish(HostEvent(self.host, f"call.{call.name}", make, light=light))

    def _begun(self, call: InFlight) -> None:
        if self._offset is not None:
            make = partial(self._started, call, self._offset[0])
            self._publish(HostEvent(self.host, f"call.{call.name}", make, light=call.size <= _LIGHT))

    def _started(self, call: InFlight, ahead: int) -> Event:
        """The event of a call's start."""
        at = call.began_ns + ahead
        return Event(name=f"call.{call.name}", phase="started", at_ns=at, said=self.written(call))

    def _ended(self, call: InFlight, known_ns: int) -> Event:
        """The event of a call's end, which was known at a time of our clock."""
        given = self._outcome(call, known_ns)
        phase: Any = "completed" if isinstance(given.result, outcome.Returned) else "failed"
        said = self.written(call)
        return Event(name=f"call.{call.name}", phase=phase, at_ns=given.ended_ns, outcome=given, said=said)

    def _publish(self, event: HostEvent) -> None:
        """Tell the listener. Its own mistake must not cost a call its answer."""
        assert self._events is not None  # noqa: S101 - nobody calls it else
        try:
            self._events(event)
        except Exception as error:  # noqa: BLE001 - a listener may raise anything
            what = f"the listener of the events of {self.host}"
            seen = SimpleNamespace(
                exc_type=type(error),
                exc_value=error,
                exc_traceback=error.__traceback__,
                err_msg=f"Exception ignored in {what}",
                object=self._events,
            )
            sys.unraisablehook(seen)


class Begin:
    """The same calls, begun and awaited later: `pending = actor.begin.getaddrinfo("server", 7000)`."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    socket = begun_of_module(module_calls.socket_)
    socketpair = begun_of_module(module_calls.socketpair)
    getaddrinfo = begun_of_module(module_calls.getaddrinfo)
    gethostbyname = begun_of_module(module_calls.gethostbyname)
    gethostbyname_ex = begun_of_module(module_calls.gethostbyname_ex)
    gethostbyaddr = begun_of_module(module_calls.gethostbyaddr)
    getnameinfo = begun_of_module(module_calls.getnameinfo)
    getservbyname = begun_of_module(module_calls.getservbyname)
    getservbyport = begun_of_module(module_calls.getservbyport)
    getprotobyname = begun_of_module(module_calls.getprotobyname)
    gethostname = begun_of_module(module_calls.gethostname)
    getfqdn = begun_of_module(module_calls.getfqdn)
    about = begun_of_module(module_calls.about)
    clock = begun_of_module(module_calls.clock)
    sockets = begun_of_module(module_calls.sockets)
    call = begun_of_module(module_calls.call)
    select = polling.begin_select_on
