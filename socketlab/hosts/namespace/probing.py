"""Whether this machine can make hosts of namespaces, tried by making a bridge and a veth."""

import sys
from dataclasses import dataclass

from socketlab.errors import BackendError, LabError
from socketlab.messages import say


@dataclass(frozen=True, slots=True)
class Probe:
    """What trying gave.

    Args:
        usable: whether labs can be made.
        why: how they are made, or what is in the way and what to do.
        users: how programs become unprivileged: `mapped`, `nested` or `root`; empty where not usable.
        lacking: what this machine does not let us have: `read-only`, `own-terminals`.
        error: what stands in the way, to be raised.
    """

    usable: bool
    why: str
    users: str = ""
    lacking: tuple[str, ...] = ()
    error: LabError | None = None


def probe(*, keep: bool = True) -> Probe:
    """Try it. Raises nothing.

    Args:
        keep: whether the nursery that was started for it stays for the labs to come, as it does in any case
            where labs of this process need it.
    """
    if sys.platform != "linux":
        error = BackendError("namespace.needs-linux", platform=sys.platform)
        return Probe(usable=False, why=str(error), error=error)
    from socketlab.hosts.namespace.nursery import Nursery  # noqa: PLC0415 - needs Linux

    try:
        nursery = Nursery.shared() if keep else Nursery()
    except LabError as error:
        return Probe(usable=False, why=str(error), error=error)
    hello = nursery.hello
    if not keep:
        nursery.close()
    return Probe(
        usable=True, why=say(f"namespace.by-{hello.users}"), users=hello.users, lacking=hello.lacking
    )
