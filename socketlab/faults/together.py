"""Steps on several hosts at the same time, and parts of a fault that are in force all or not at all."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from socketlab.errors import LabError
from socketlab.faults.lease import AnyPart

_AT_ONCE: Final = 16


def put_all(parts: Sequence[AnyPart]) -> None:
    """Put all in force, those of different hosts at the same time; or none.

    Raises:
        LabError: the first one's that would not.
    """
    by_host: dict[str, list[AnyPart]] = {}
    for part in parts:
        by_host.setdefault(part.host, []).append(part)
    done: list[AnyPart] = []

    def put(some: Sequence[AnyPart]) -> None:
        for part in some:
            part.put()
            done.append(part)

    try:
        at_once([partial(put, some) for some in by_host.values()])
    except BaseException:
        for part in reversed(done):
            with suppress(LabError):
                part.take_away()
        raise


def at_once(steps: Sequence[Callable[[], object]]) -> None:
    """Take all steps, some at a time; the first error of any, once all have ended."""
    if len(steps) == 1:
        steps[0]()
        return
    errors: list[BaseException] = []
    waiting = list(reversed(steps))

    def work() -> None:
        while waiting and not errors:
            try:
                step = waiting.pop()
            except IndexError:
                return
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - raised by who asked
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(len(steps), _AT_ONCE) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
