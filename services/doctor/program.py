"""The tries in their order, each a line on standard output."""

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from services.doctor import filters, links
from services.doctor.scratch import become_ordinary, enter
from services.netlink.errors import NetlinkError

Try = Callable[[], None]
_DONE: Final = 0
_FAILED: Final = 1

TRIES: Final[Mapping[str, Try]] = {
    "loopback": links.raise_loopback,
    "bridge": links.bridge,
    "ipv6": links.ipv6,
    "owner": filters.owner,
    "queue": filters.queue_native,
    "queue-compat": filters.queue_compat,
    "reject": filters.reject_ipv4,
    "reject6": filters.reject_ipv6,
    "capture": links.capture,
    "raw": links.raw,
    "netem": links.netem,
}


def run() -> int:
    """Try everything; 0, also where most of it failed: what failed is told."""
    is_root = os.geteuid() == 0
    works = _in_child(lambda: _try("users", lambda: enter(user=True)) and _all())
    if not works and is_root:
        works = _in_child(lambda: _try("root", lambda: enter(user=False)) and _all())
    if is_root:
        _in_child(lambda: _try("ordinary", _as_ordinary))
    return _DONE


def _all() -> bool:
    for name, attempt in TRIES.items():
        _try(name, attempt)
    return True


def _as_ordinary() -> None:
    """What decides for a user without root: the namespaces, and a bridge in them."""
    become_ordinary()
    enter(user=True)
    links.bridge()


def _in_child(work: Callable[[], bool]) -> bool:
    """Do it in a process of its own, since there is no way back out of a user namespace."""
    child = os.fork()
    if child == 0:
        code = _FAILED
        try:
            code = _DONE if work() else _FAILED
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _DONE


def _try(name: str, attempt: Try) -> bool:
    """Try one thing and tell what became of it."""
    try:
        attempt()
    except NetlinkError as error:
        told = {"errno": errno.errorcode.get(error.errno, str(error.errno)), "seen": str(error)}
    except OSError as error:
        number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else error.errno or 0
        told = {"errno": errno.errorcode.get(number, str(number)), "seen": error.strerror or str(error)}
    else:
        told = {}
    sys.stdout.write(json.dumps({"probe": name, "works": not told, **told}) + "\n")
    sys.stdout.flush()
    return not told
