"""Answers whoever connects with one line of the wire, made when it is asked."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

from socketlab.wire import Message, encode

_SEND: Final = 2.0


def answer_all(listener: socket.socket, answer: Callable[[], Message]) -> None:
    """Answer from now on, each asker in a thread of its own, until the listener is closed.

    Args:
        listener: listens already.
        answer: makes the message; may wait.
    """
    threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()


def _accept(listener: socket.socket, answer: Callable[[], Message]) -> None:
    while True:
        try:
            asker, _ = listener.accept()
        except OSError:
            return  # closed: the runner ends
        threading.Thread(target=_answer, args=(asker, answer), daemon=True).start()


def _answer(asker: socket.socket, answer: Callable[[], Message]) -> None:
    with asker, contextlib.suppress(OSError):  # an asker that has gone is its own affair
        asker.settimeout(_SEND)
        asker.sendall(encode(answer()))
