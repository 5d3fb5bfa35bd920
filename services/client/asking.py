"""Asking another program of the lab for its one answer, from before it is there.

Nothing tells of a peer that does not exist yet, so the question is asked again and again until a deadline:
the one poll of the client.
"""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

from socketlab.wire import LineBuffer, ProgramReport, Ready, WireError, decode

T = TypeVar("T", Ready, ProgramReport)


def ask_until(deadline: float, every: float, ask: Callable[[], T]) -> T:
    """Ask until there is an answer.

    Args:
        deadline: seconds to go on for at most.
        every: seconds between two questions.
        ask: one question.

    Raises:
        OSError: nobody was there in time, or said nothing.
        WireError: what was said last is not an answer.
    """
    give_up = time.monotonic() + deadline
    while True:
        try:
            return ask()
        except (OSError, WireError):
            if time.monotonic() >= give_up:
                raise
            time.sleep(every)


def read_answer(asker: socket.socket, expected: type[T], who: str) -> T:
    """The one message that a peer says to whoever connects.

    Args:
        asker: connected to it.
        expected: the message.
        who: the peer, for the error.

    Raises:
        OSError: it says nothing.
        WireError: it says something else.
    """
    lines = LineBuffer()
    while data := asker.recv(4096):
        for line in lines.feed(data):
            answer = decode(line)
            if isinstance(answer, expected):
                return answer
            raise WireError("wire-message", expected=expected.type, seen=answer.type)
    raise ConnectionError(f"{who}: EOF")
