"""`select` over sockets of several hosts.

Theory of operation
    Sockets of one host are waited for by one call over there. Of several hosts each waits by itself, and the
    first that has something ends the wait here. Those of the others cannot be ended, select(2) has no way;
    so each is made of short ones, and what is left behind is over within `_SLICE`.
"""

import queue
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from socketlab.errors import SpecError, UsageError
from socketlab.sockets import Actor, Socket

Ready: TypeAlias = tuple[list[Socket], list[Socket], list[Socket]]
_Lists: TypeAlias = tuple[list[Socket], list[Socket], list[Socket]]
_SLICE: Final = 0.5


def select(
    rlist: Iterable[Socket], wlist: Iterable[Socket], xlist: Iterable[Socket], timeout: float | None = None
) -> Ready:
    """As `select.select`, with sockets over there.

    Args:
        rlist: to be waited for until they can be read.
        wlist: until they can be written.
        xlist: until they have something exceptional.
        timeout: seconds; None: as long as it takes.

    Raises:
        UsageError: one of them is no socket over there.
        SpecError: there are none, and nothing would ever end the wait.
    """
    lists = (list(rlist), list(wlist), list(xlist))
    for each in (each for wanted in lists for each in wanted):
        if not isinstance(each, Socket):
            raise UsageError("lab.select", seen=type(each).__name__)
    actors = list(dict.fromkeys(each.actor for wanted in lists for each in wanted))
    if not actors:
        if timeout is None:
            raise SpecError("lab.select-nothing")
        time.sleep(timeout)
        return [], [], []
    if len(actors) == 1:
        return _of(actors[0], lists, timeout)
    return _of_several(actors, lists, timeout)


def _of(actor: Actor, lists: _Lists, timeout: float | None) -> Ready:
    r, w, x = ([each for each in wanted if each.actor is actor] for wanted in lists)
    return actor.select(r, w, x, timeout)


def _of_several(actors: Sequence[Actor], lists: _Lists, timeout: float | None) -> Ready:
    deadline = None if timeout is None else time.monotonic() + timeout
    results: queue.SimpleQueue[Ready | BaseException] = queue.SimpleQueue()
    over = threading.Event()

    def wait(actor: Actor) -> None:
        try:
            while not over.is_set():
                left = _SLICE if deadline is None else min(_SLICE, max(0.0, deadline - time.monotonic()))
                found = _of(actor, lists, left)
                if any(found) or (deadline is not None and time.monotonic() >= deadline):
                    results.put(found)
                    return
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            results.put(error)

    for actor in actors:
        threading.Thread(target=wait, args=(actor,), daemon=True).start()
    try:
        for _ in actors:
            found = results.get()
            if isinstance(found, BaseException):
                raise found
            if any(found):
                return _all(actors, lists)
    finally:
        over.set()
    return [], [], []


def _all(actors: Sequence[Actor], lists: _Lists) -> Ready:
    """What every host has by now: one of them has something."""
    found = [_of(actor, lists, 0) for actor in actors]
    ready = tuple({id(each): each for part in found for each in part[number]} for number in range(3))
    r, w, x = (
        [each for each in wanted if id(each) in have] for wanted, have in zip(lists, ready, strict=True)
    )
    return r, w, x
