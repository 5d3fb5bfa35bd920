"""Where an agent's run directory is: the usual one, or that of an agent which is there for one fault only.

Theory of operation
    A container that is read-only and has no tmpfs can still write to /dev/shm, so that is where an agent of
    its own lives, in a directory named for its network namespace: hosts that share a file system (namespaces
    without containers) do not meet there. `socketlab-fault list` beside it looks there too.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.agent.meeting import RUN_DIR, SOCKET_NAME
from services.messages import ServiceError

_TEMPORARY = Path("/tmp")  # noqa: S108 - not tempfile's: that is an error where no place can be written to
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the directory in it is ours only, or is not used
_OWN_NAMESPACE = Path("/proc/self/ns/net")


def _own() -> Path:
    """The run directory of an agent of its own in this network namespace."""
    return _SHARED_MEMORY / f"socketlab-{_OWN_NAMESPACE.stat().st_ino}"


def to_ask(given: Path | None) -> Path:
    """The run directory of the agent to ask.

    Args:
        given: what the user said; None: nothing.

    Returns:
        What was given, else where there is an agent's socket, else the usual place.
    """
    if given is not None:
        return given
    own = _own()
    with suppress(OSError):
        if not (RUN_DIR / SOCKET_NAME).exists() and _is_ours(own) and (own / SOCKET_NAME).exists():
            return own
    return RUN_DIR


@contextmanager
def of_its_own(given: Path | None) -> Iterator[Path]:
    """A run directory for an agent of its own, removed again if it was made here.

    Args:
        given: what the user said; None: the first place that can be written.

    Raises:
        ServiceError: there is none.
    """
    places = (given,) if given is not None else (_own(), RUN_DIR, _TEMPORARY / _own().name)
    maker = os.getpid()  # whoever is forked meanwhile clears nothing away
    for place in places:
        was_there = place.is_dir()
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if given is None and not _is_ours(place):
                continue
            with tempfile.TemporaryFile(dir=place):  # what is read-only, or full, is no place
                pass
        except OSError:
            continue
        try:
            yield place
        finally:
            if not was_there and os.getpid() == maker:
                _remove(place)
        return
    raise ServiceError("agent.no-folder", folders=", ".join(map(str, places)))


def _is_ours(place: Path) -> bool:
    """Whether nobody else made it: in a directory that all may write to, somebody may have been first."""
    about = place.lstat()
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()


def _remove(place: Path) -> None:
    with suppress(OSError):
        for each in place.iterdir():
            each.unlink()
        place.rmdir()
