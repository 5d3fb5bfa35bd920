"""Which backend makes a lab: the one asked for, or the first that this machine can use, and why.

A lab is made in containers where an engine answers that has our images, for that is what users run; else in
network namespaces. `SOCKETLAB_BACKEND` in the environment takes the place of `auto`.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from socketlab.errors import BackendError, SpecError
from socketlab.hosts.backend import Backend
from socketlab.messages import say

BACKENDS: Final = ("docker", "namespace")
VARIABLE: Final = "SOCKETLAB_BACKEND"


class Found(NamedTuple):
    """What a backend's `probe` tells.

    Args:
        usable: whether it can make a lab here, now.
        seen: what was found, or why it cannot and what to do.
    """

    usable: bool
    seen: str


class Chosen:
    """A backend, and why this one.

    Args:
        backend: it.
        reason: key of the sentence, behind `lab.why.`.
        fields: of the sentence.
    """

    def __init__(self, backend: Backend, reason: str, **fields: str) -> None:
        self.backend = backend
        self._reason = reason
        self._fields = fields

    @property
    def why(self) -> str:
        """The sentence; said when it is asked for: the catalogue takes longer to read than a lab to make."""
        return say(f"lab.why.{self._reason}", **self._fields)


def choose(asked: str | Backend = "auto", environ: Mapping[str, str] = os.environ) -> Chosen:
    """Find a backend.

    Args:
        asked: `auto`, the name of one, or one itself.
        environ: where `SOCKETLAB_BACKEND` may be.

    Raises:
        SpecError: there is no backend of that name.
        BackendError: this machine can use none; both reasons are told, and what to do.
    """
    if not isinstance(asked, str):
        return Chosen(asked, "given", name=asked.name)
    if asked == "auto" and (set_to := environ.get(VARIABLE)):
        if set_to != "auto":
            return Chosen(_named(set_to, VARIABLE), "variable", name=set_to, variable=VARIABLE)
    elif asked != "auto":
        return Chosen(_named(asked, "backend"), "asked", name=asked)
    return _first_usable()


def _named(name: str, where: str) -> Backend:
    if name not in BACKENDS:
        expected = ", ".join(("auto", *BACKENDS))
        raise SpecError("lab.backend", where=where, expected=expected, seen=ascii(name)[:60])
    return _MAKERS[name]()


def _first_usable() -> Chosen:
    reasons: dict[str, str] = {}
    for name, probe in _PROBES.items():
        found = probe()
        if found.usable:
            others = "; ".join(reasons.values())
            return Chosen(_MAKERS[name](), f"first-{name}", seen=found.seen, others=others)
        reasons[name] = found.seen
    raise BackendError("lab.no-backend", **reasons)


# Each is imported when it is asked for: the engine's client and what only Linux has cost those who use them.


def _docker() -> Backend:
    from socketlab.hosts.docker import DockerBackend  # noqa: PLC0415 - see above

    return DockerBackend()


def _namespace() -> Backend:
    from socketlab.hosts.namespace import NamespaceBackend  # noqa: PLC0415 - see above

    return NamespaceBackend()


def _probe_docker() -> Found:
    from socketlab.hosts.docker import probe  # noqa: PLC0415 - see above

    found = probe()
    return Found(found.usable, f"{found.kind} {found.version}" if found.usable else found.why_not)


def _probe_namespace() -> Found:
    from socketlab.hosts.namespace import probe  # noqa: PLC0415 - see above

    found = probe()
    return Found(found.usable, found.why)


_MAKERS: Final[Mapping[str, Callable[[], Backend]]] = {"docker": _docker, "namespace": _namespace}
_PROBES: Final[dict[str, Callable[[], Found]]] = {"docker": _probe_docker, "namespace": _probe_namespace}
