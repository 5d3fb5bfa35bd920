"""One loop over the person and the peer.

Theory of operation
    The loop waits for whatever comes first: keys or lines, bytes from the peer, room to send, a timer. What
    is to be sent waits in the link; while much does, no more input is read, so a peer that never reads costs
    no memory. When there is no more input our side is closed (half-close) as soon as all has been sent, and
    the session goes on until the peer has closed its side. Datagrams have no end: a person's Ctrl-D is one,
    and a pipe waits for as many answers as it asked questions.

    A pipe cannot press Ctrl-C: where something is owed and for `timeout` seconds nothing moves, it ends. A
    person is told once, and decides.
"""

import select
import time
from collections.abc import Callable, Iterable
from typing import Final

from services.client.interactive.front import EndOfInput, Front, Said
from services.client.interactive.link import Link
from services.client.interactive.talk import NETWORK_SAID_NO, WELL, Heard, Notice, Send, Step, Talk
from services.messages import say

MOST_WAITING: Final = 1024 * 1024
"""Bytes not sent; while there are more, no input is read."""


class Session:
    """One conversation.

    Args:
        link: to the peer.
        talk: what the protocol makes of it.
        front: who types.
        timeout: seconds in which something that is owed must move on.
        clock: seconds, monotonic; the talk's and the front's.
    """

    def __init__(
        self,
        link: Link,
        talk: Talk,
        front: Front,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._talk = talk
        self._front = front
        self._timeout = timeout
        self._clock = clock
        self._code: int | None = None
        self._verdict = WELL
        """Of what came last; datagrams have nothing else to end with."""
        self._failed = False
        self._input_ended = False
        self._closed_ours = False
        self._moved = clock()
        self._was_told = False

    def run(self) -> int:
        """Have it.

        Returns:
            the exit code: 0 it ended well, 1 the network, or the peer, said no.
        """
        self._do(self._talk.open())
        while self._code is None:
            self._front.flush()
            self._wait()
            self._tick()
            self._settle()
        self._front.flush()
        return self._code

    def _wait(self) -> None:
        """Wait for what comes first, and take it."""
        poll = select.poll()
        for descriptor in self._front.watched(reading=self._link.waiting <= MOST_WAITING):
            poll.register(descriptor, select.POLLIN)
        poll.register(self._link, select.POLLIN | (select.POLLOUT if self._link.waiting else 0))
        for descriptor, ready in poll.poll(self._milliseconds()):
            if self._code is not None:
                return
            if descriptor != self._link.fileno():
                self._take(self._front.read(descriptor))
                continue
            if ready & ~select.POLLOUT:
                self._receive()
            if ready & select.POLLOUT and self._code is None:
                self._send()

    def _milliseconds(self) -> float | None:
        """How long nothing has to be done."""
        dues = (self._talk.due, self._front.due, self._owed_until())
        first = min((due for due in dues if due is not None), default=None)
        return None if first is None else max(0.0, first - self._clock()) * 1000 + 1

    def _owed_until(self) -> float | None:
        """When something that is owed has not moved for too long; None: nothing is owed, or it was told."""
        owed = self._link.waiting or self._talk.unsent or self._input_ended
        return self._moved + self._timeout if owed and not self._was_told else None

    def _take(self, said: Iterable[Said]) -> None:
        for each in said:
            if isinstance(each, EndOfInput):
                self._end_input()
            elif self._input_ended:
                self._front.notice(say("interactive.typed-not-sent", text=each.text))
            else:
                self._say(each.text)

    def _say(self, text: str) -> None:
        if self._owed_until() is None:
            self._move()
        self._do(self._talk.typed(text))
        if self._talk.closing:
            self._end_input()

    def _end_input(self) -> None:
        self._input_ended = True
        self._front.no_more()
        self._move()

    def _receive(self) -> None:
        """Take what the peer, or the network, says."""
        for report in self._link.reports():
            self._front.notice(report.said)
            self._refused()
        try:
            data = self._link.receive()
        except OSError:  # it was told
            if self._link.ends:
                self._code = NETWORK_SAID_NO
            else:
                self._refused()
            return
        if data is None:
            return
        self._move()
        self._do(self._talk.received(data))
        if not data and self._link.ends and self._code is None:
            self._peer_closed()

    def _refused(self) -> None:
        """The network said that a datagram was not delivered."""
        self._verdict = NETWORK_SAID_NO
        self._talk.refused()

    def _peer_closed(self) -> None:
        if self._link.waiting:
            self._front.notice(say("interactive.closed-early", count=self._link.waiting))
            self._failed = True
        else:
            self._front.notice(say("interactive.closed"))
        self._code = NETWORK_SAID_NO if self._failed else WELL

    def _send(self) -> None:
        try:
            self._link.send()
        except OSError:  # it was told
            if not self._link.ends:
                self._refused()
                return
            # What the peer had sent before is still read, up to its end.
            self._link.drop()
            self._end_input()
            self._failed = self._closed_ours = True
        else:
            self._move()

    def _tick(self) -> None:
        """Do what has come due."""
        now = self._clock()
        self._front.tick()
        if self._talk.due is not None and self._talk.due <= now:
            self._do(self._talk.tick())
        owed = self._owed_until()
        if owed is not None and owed <= now and self._code is None:
            self._quiet()

    def _quiet(self) -> None:
        """Nothing has moved for too long."""
        self._was_told = True
        if self._link.waiting:
            self._front.notice(
                say("interactive.does-not-read", count=self._link.waiting, seconds=self._timeout)
            )
        else:
            self._front.notice(say("interactive.silent", seconds=self._timeout))
        if not self._front.patient:
            self._code = NETWORK_SAID_NO

    def _settle(self) -> None:
        """Close our side once all has been said; of datagrams, end once all has been answered."""
        if self._code is not None or not self._input_ended or self._closed_ours:
            return
        if not self._link.ends:
            if not self._link.waiting and (self._front.patient or not self._talk.expecting):
                self._code = self._verdict
        elif not (self._link.waiting or self._talk.unsent or self._talk.closing):
            self._close_ours()

    def _close_ours(self) -> None:
        self._closed_ours = True
        self._move()
        try:
            self._link.end_sending()
        except OSError:  # it was told; who receives meets the end as well
            self._failed = True
        else:
            self._front.notice(say("interactive.half-closed"))

    def _move(self) -> None:
        """Something has moved: what is owed has time again."""
        self._moved = self._clock()
        self._was_told = False

    def _do(self, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Send(data):
                    self._link.put(data)
                case Heard():
                    self._verdict = WELL
                    self._front.heard(step)
                case Notice(text, bad):
                    self._front.notice(text)
                    self._verdict = NETWORK_SAID_NO if bad else self._verdict
        if self._code is None:
            self._code = self._talk.code
