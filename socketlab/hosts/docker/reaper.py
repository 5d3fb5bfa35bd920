"""The reaper: removes what a controller has left on an engine, when that controller is no more.

Theory of operation
    Lines of JSON come on stdin: who the owner is, on which engines it makes labs, whether it has any now. The
    end of stdin is the owner's end. If it had labs then, what it did to somebody else's containers is undone,
    by the requests that it noted before it did it; and everything that carries its label goes: sidecars,
    hosts, networks. What the engine was still making for it appears a moment later, so the reaper looks again
    until it has seen nothing for a while. It knows no plan and takes nothing from anybody else.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from socketlab.errors import BackendError
from socketlab.hosts.docker.endpoint import Endpoint
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.ownership import OWNER
from socketlab.hosts.docker.removal import remove_labelled

QUIET_SECONDS = 2.0
"""How long nothing must have been found: longer than the engine takes to make one thing."""
LONGEST_SECONDS = 60.0
_PAUSE = 0.2


def main() -> None:
    """Watch over one owner, then clear up after it."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    heard = _listen()
    if heard.idle or not heard.owner:
        return
    for undo in reversed(heard.undo.values()):
        _undo(undo)
    engines = [Engine(endpoint) for endpoint in heard.endpoints]
    reap(lambda: sum(_remove(engine, heard.owner) for engine in engines), time.monotonic, time.sleep)


@dataclass
class _Heard:
    """What an owner told until its end: who it was, where its labs are, what there is to undo."""

    owner: str = ""
    idle: bool = True
    endpoints: list[Endpoint] = field(default_factory=list)
    undo: dict[str, dict[str, Any]] = field(default_factory=dict)


def _listen() -> _Heard:
    """Read until the owner's end."""
    heard = _Heard()
    for line in sys.stdin.buffer:
        told: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        heard.owner = told.get("owner", heard.owner)
        heard.idle = told.get("idle", heard.idle)
        if "engine" in told:
            heard.endpoints.append(Endpoint.from_json(told["engine"]))
        if "undo" in told:
            heard.undo.pop(told["undo"], None)
            if told["requests"]:
                heard.undo[told["undo"]] = told
    return heard


def _undo(told: dict[str, Any]) -> None:
    """Undo one thing; what has been undone already, or whose container is gone, the engine refuses."""
    engine = Engine(Endpoint.from_json(told["at"]))
    for path, body in told["requests"]:
        with suppress(BackendError):
            engine.ask("POST", path, body=body)
    engine.close()


def reap(remove: Callable[[], int], clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Remove until nothing has been there for a while, or for as long as makes sense.

    Args:
        remove: removes what there is now; how much that was.
        clock: seconds.
        sleep: waits so many seconds.
    """
    begun = quiet_since = clock()
    while clock() - begun < LONGEST_SECONDS:
        if remove():
            quiet_since = clock()
        elif clock() - quiet_since >= QUIET_SECONDS:
            return
        sleep(_PAUSE)


def _remove(engine: Engine, owner: str) -> int:
    """Remove what is there; an engine that is away may come back, so it counts as something."""
    try:
        return remove_labelled(engine, OWNER, owner)
    except BackendError:
        return 1


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
    os._exit(0)
