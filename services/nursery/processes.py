"""Children of the nursery and of a host's first program."""

import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

_LAST = 1 << 20
_END_SECONDS = 20.0


def fork(work: Callable[[], object]) -> int:
    """Make a child that does this work and ends, whatever happens; its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001 - the child never returns into its parent's frames
        log_exception()
        os._exit(1)
    os._exit(0)


def log_exception() -> None:
    """Write the traceback of what was raised to standard error, which may be a file of the user's."""
    import traceback  # noqa: PLC0415 - for mistakes of ours only

    traceback.print_exc()
    sys.stderr.flush()


def close_all_but(*kept: int) -> None:
    """Close all descriptors but the standard ones and these."""
    last = 2
    for descriptor in sorted(kept):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, _LAST)


def raise_descriptors() -> int:
    """Allow this process as many descriptors as it may have; how many it was allowed before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def allow_descriptors(soft: int) -> None:
    """Allow this process and its children so many descriptors, as long as they ask for no more."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def has_ended(child: int) -> bool:
    """Whether a child has ended; it is buried then, and must not be asked for again."""
    return os.waitpid(child, os.WNOHANG)[0] == child


def end(children: Iterable[int]) -> None:
    """Kill children, and bury them: when it returns they, and all that they were the first of, are gone.

    Raises:
        TimeoutError: the kernel does not let one of them go.
    """
    dying = list(children)
    for child in dying:
        os.kill(child, signal.SIGKILL)
    for child in dying:
        handle = os.pidfd_open(child)
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(_END_SECONDS * 1000):
                raise TimeoutError(f"process {child} has not ended {_END_SECONDS:g} s after SIGKILL")
        finally:
            os.close(handle)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
