"""Calls to one actor: many in flight, from many threads, over one stream.

Theory of operation
    There is no thread of its own in the quiet case. Whoever waits for an answer reads: one waiting thread is
    the leader, takes what the stream brings and gives each answer to its call; the others sleep on a lock of
    their own until theirs has come. A leader whose own answer is there leaves, and wakes one of the others,
    who leads next. So a lone caller writes, reads, and is never switched.

    One danger needs a thread: the actor that cannot write its answers, because nobody reads them, reads no
    calls either. A pump, a thread that leads for as long as there are calls in flight, is started before
    more is sent than any pipe holds while other calls are unanswered and nobody leads.

    Two queues take what finalisers leave: handles to forget, and calls that nobody can wait for any more.
    They are plain deques, because a finaliser runs anywhere, also inside a lock of ours. They are emptied
    along with the next call.

    The other end is not trusted: a line that is too long, is no answer or answers no call ends the channel.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from socketlab.errors import EndedError, LabError
from socketlab.sockets.in_flight import Ended, Follower, InFlight, handles_in
from socketlab.sockets.inbox import Inbox
from socketlab.sockets.stream import Stream
from socketlab.wire.call import Answer, Call, Cancel, Hello, Value, read_answer, write
from socketlab.wire.errors import WireError

_QUIET: Final = 32 * 1024
"""Bytes of unanswered calls that a pipe or a socket surely holds, though the actor reads none of them."""


class Channel:
    """The calls in flight on one actor.

    Args:
        stream: to the actor, from its first byte on.
        host: its name, for errors.
        begun: told of each call before it is sent; None: nobody.
        ended: told of each call that is over, with its answer, by whichever thread read it; None: nobody.
    """

    def __init__(
        self,
        stream: Stream,
        host: str,
        begun: Callable[[InFlight], None] | None = None,
        ended: Callable[[InFlight], None] | None = None,
    ) -> None:
        self.host = host
        self._tell_begun = begun
        self._tell = ended
        self._stream = stream
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._calls: dict[int, InFlight] = {}
        self._unanswered = 0
        self._leader: object | None = None
        self._followers: dict[Follower, None] = {}
        self._end: Ended | None = None
        self._closed = False
        self._inbox = Inbox()
        self._interrupted = False
        self._hello: Hello | None = None
        self._to_forget: deque[int] = deque()
        self._orphans: deque[InFlight] = deque()

    # -- what callers do

    def greet(self, timeout: float) -> Hello:
        """Read the actor's first line.

        Raises:
            EndedError: it did not come, within `timeout` seconds or at all.
        """
        deadline = time.monotonic() + timeout
        while True:
            hello, end = self._hello, self._end
            if hello is not None:
                return hello
            if end is not None:
                raise end.error(self.host, "hello")
            try:
                self._read(max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                self.close()
                raise EndedError("sockets.silent", host=self.host, seconds=f"{timeout:g}") from error

    def begin(self, name: str, args: tuple[Any, ...] = (), on: int | None = None) -> InFlight:
        """Send a call.

        Args:
            name: as the actor's table has it.
            args: as the wire carries them.
            on: number of the handle that it is made on; None: of the module.

        Raises:
            EndedError: the actor is gone.
            WireError: an argument is nothing that the wire carries.
        """
        number = next(self._numbers)
        line = write(Call(number, name, args, on))
        call = InFlight(number, name, args, on, len(line))
        if self._to_forget or self._orphans:
            line = self._tidy() + line
        with self._lock:
            if self._end is not None:
                raise self._end.error(self.host, name)
            crowded = self._leader is None and self._unanswered > 0 and self._unanswered + len(line) > _QUIET
            self._calls[number] = call
            self._unanswered += call.size
            if crowded:
                self._leader = call
        try:
            if self._tell_begun is not None:
                self._tell_begun(call)
            if crowded:
                self._start_pump(call)
            self._send(line)
        except BaseException:
            self.orphan(call)
            raise
        return call

    def wait(self, call: InFlight, timeout: float | None = None) -> bool:
        """Wait for a call's answer, at most so many seconds; whether it is there."""
        if call.answer is not None:
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        me = Follower()
        try:
            while True:
                with self._lock:
                    if call.answer is not None:
                        return True  # type: ignore[unreachable]  # another thread has set it
                    leads = self._leader is None
                    if leads:
                        self._leader = me
                    else:
                        me.follow(call)
                        self._followers[me] = None
                if leads:
                    self._lead(call, deadline)
                else:
                    me.sleep(None if deadline is None else max(0.0, deadline - time.monotonic()))
                if deadline is not None and time.monotonic() >= deadline:
                    return call.answer is not None
        finally:
            self._leave(me)

    def look(self) -> None:
        """Take what has arrived, without waiting: nothing to do where another thread reads anyhow."""
        me = object()
        with self._lock:
            if self._leader is not None or self._end is not None:
                return
            self._leader = me
        try:
            while not self.ended():
                self._read(0)
        except TimeoutError:
            pass
        finally:
            self._leave(me)

    def abandon(self, call: InFlight) -> bool:
        """Wait for a call no more; whether it was still in flight."""
        with self._lock:
            if call.answer is not None or call.abandoned:
                return False
            call.abandoned = True
            if self._end is not None:
                return True
        # It must not wait behind a long line to a host that reads nothing: then the next call says it.
        if self._sending.acquire(blocking=False):
            try:
                self._stream.send(write(Cancel(call.number)))
            except (LabError, OSError) as error:
                self._stop(Ended(error))
            finally:
                self._sending.release()
        else:
            self.orphan(call)
        return True

    def forget(self, number: int) -> None:
        """Have a handle closed over there along with the next call. Safe in a finaliser: takes no lock."""
        self._to_forget.append(number)

    def orphan(self, call: InFlight) -> None:
        """Nobody can wait for this call any more, or take what it gave. Safe in a finaliser."""
        self._orphans.append(call)

    def close(self) -> None:
        """End the stream: every call in flight ends with EndedError. Any number of times."""
        self._stop(Ended(by_us=True))
        self._close_stream()

    def _close_stream(self) -> None:
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            self._stream.close()

    def ended(self) -> bool:
        """Whether the stream has ended."""
        return self._end is not None

    # -- sending

    def _send(self, line: bytes) -> None:
        if len(line) > _QUIET and threading.current_thread() is threading.main_thread():
            # Ctrl-C in the middle of a long line would leave half of it on the stream for ever.
            apart = threading.Thread(target=self._send_whole, args=(line,), daemon=True)
            apart.start()
            apart.join()
        else:
            self._send_whole(line)

    def _send_whole(self, line: bytes) -> None:
        try:
            with self._sending:
                self._stream.send(line)
        except (LabError, OSError) as error:
            self._stop(Ended(error))

    def _tidy(self) -> bytes:
        """Lines that have the actor forget what finalisers left."""
        lines: list[bytes] = []
        numbers: list[int] = []
        while self._orphans:
            try:
                call = self._orphans.popleft()
            except IndexError:
                break
            with self._lock:
                running = call.answer is None
                if running:
                    call.abandoned = True
            if running:
                lines.append(write(Cancel(call.number)))
            elif isinstance(call.answer, Value):
                numbers.extend(handles_in(call.answer.value))
        while self._to_forget:
            try:
                numbers.append(self._to_forget.popleft())
            except IndexError:
                break
        if numbers:
            number = next(self._numbers)
            lines.append(write(Call(number, "forget", (numbers,))))
            forgotten = InFlight(number, "forget", (numbers,), None, len(lines[-1]))
            forgotten.abandoned = True
            with self._lock:
                self._calls[number] = forgotten
                self._unanswered += forgotten.size
        return b"".join(lines)

    # -- reading

    def _lead(self, call: InFlight, deadline: float | None) -> None:
        """Read until a call's answer is there, or the time is over."""
        try:
            while call.answer is None:
                self._read(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            pass

    def _start_pump(self, me: object) -> None:
        try:
            threading.Thread(target=self._pump, args=(me,), name="socketlab-pump", daemon=True).start()
        except BaseException:
            self._leave(me)
            raise

    def _pump(self, me: object) -> None:
        try:
            while self._calls and not self.ended():
                self._read(None)
        finally:
            self._leave(me)

    def _leave(self, me: object) -> None:
        """Lead and wait no more; somebody who waits leads now."""
        with self._lock:
            if type(me) is Follower and me.call is not None:
                self._followers.pop(me, None)
                me.leave()
            if self._leader is me:
                self._leader = None
            if self._leader is None and self._followers:
                self._wake(next(iter(self._followers)))

    def _read(self, timeout: float | None) -> None:
        """Take what the stream brings next; only the leader may.

        Raises:
            TimeoutError: it brought nothing within `timeout` seconds.
        """
        if self._interrupted:
            self._work()
            if not self._interrupted:
                return  # type: ignore[unreachable]  # a line was dealt with
        try:
            data = self._stream.receive(timeout)
        except TimeoutError:
            raise
        except (LabError, OSError) as error:
            self._stop(Ended(error))
            return
        if not data:
            self._stop(Ended())
            return
        try:
            self._inbox.put(data)
            self._work()
        except BaseException:
            self._interrupted = True
            raise

    def _work(self) -> None:
        """Give each answer that has arrived to its call.

        Ctrl-C may end this anywhere in the main thread, and whoever leads next begins the same line again:
        so each step is one that can be taken twice.
        """
        try:
            while self._end is None and (line := self._inbox.first()) is not None:
                if not self._dispatch(line):
                    return
                self._inbox.done()
        except WireError as error:
            self._break(str(error))

    def _dispatch(self, line: bytes) -> bool:
        """Give an answer to its call; False: the channel is over."""
        try:
            answer = read_answer(line)
        except (WireError, RecursionError, TypeError, ValueError) as error:
            return self._break(str(error))
        if isinstance(answer, Hello):
            if self._hello is not None and self._hello != answer:
                return self._break("hello")
            self._hello = answer
            return True
        with self._lock:
            call = None if answer.id is None else self._calls.get(answer.id)
            if call is not None:
                self._settle(call, answer)
                self._unanswered -= call.size
                del self._calls[call.number]
        again, self._interrupted = self._interrupted, False
        if call is None:
            return again or self._break(ascii(answer)[:200])
        if call.abandoned:
            if isinstance(answer, Value):
                self._to_forget.extend(handles_in(answer.value))
        elif self._tell is not None:
            self._tell(call)
        return True

    def _settle(self, call: InFlight, answer: Answer | Ended) -> None:
        """With the lock held."""
        call.answer = answer
        if call.waiting:
            for follower in call.waiting:
                if follower in self._followers:
                    self._wake(follower)
            call.waiting = ()

    def _wake(self, follower: Follower) -> None:
        follower.wake()
        del self._followers[follower]

    def _break(self, offence: str) -> bool:
        """The other end is not to be trusted: end it."""
        self._stop(Ended(offence=offence))
        self._close_stream()
        return False

    def _stop(self, end: Ended) -> None:
        with self._lock:
            if self._end is not None:
                return
            self._end = end
            calls = list(self._calls.values())
            self._calls.clear()
            self._unanswered = 0
            for call in calls:
                self._settle(call, end)
        if self._tell is not None:
            for call in calls:
                if not call.abandoned:
                    self._tell(call)
