"""How to undo what outlives a process: as data, so that another process can do it.

Theory of operation
    What an agent puts where the kernel keeps it after the agent's death (routes, links, neighbours, tc, a
    table without an owner, rules of iptables) it notes first in its journal, together with the steps that
    undo it. A step is a message for the kernel, or a text for iptables-restore: whoever reads the journal
    needs to know nothing of faults. Each step can be done at any moment and more than once: where there is
    nothing left to undo the kernel says so by an errno that the step names.
"""

import os
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from services.messages import ServiceError
from services.netlink import nftables
from services.netlink.connection import NETFILTER, Connection
from services.netlink.errors import NetlinkError
from services.netlink.message import Request

_RESTORE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Netlink:
    """A message for the kernel.

    Args:
        protocol: of the socket: `ROUTE`, `NETFILTER`.
        name: as the kernel's headers call it, for errors.
        type: the message's type.
        flags: `REQUEST`, `ACK` and others.
        payload: everything behind the header.
        gone: errnos that mean that there is nothing left to undo.
    """

    kind: ClassVar[str] = "netlink"
    protocol: int
    name: str
    type: int
    flags: int
    payload: bytes
    gone: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Restore:
    """A text for iptables-restore, to be added to what is there.

    Args:
        command: the program and its options, `iptables-legacy-restore`, `--noflush` ...
        text: its input.
        environment: variables that it needs, as `NAME=value`.
    """

    kind: ClassVar[str] = "restore"
    command: tuple[str, ...]
    text: str
    environment: tuple[str, ...] = ()


Undo: TypeAlias = Netlink | Restore


def undoing(protocol: int, request: Request, *gone: int) -> Netlink:
    """A request as a step.

    Args:
        protocol: of the socket that it goes by.
        request: the message.
        gone: errnos that mean that there is nothing left to undo.
    """
    return Netlink(protocol, request.name, request.type, request.flags, request.payload, gone)


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of some steps.

    Args:
        done: names of those that changed something.
        failed: why others could not be done.
    """

    done: tuple[str, ...]
    failed: tuple[ServiceError, ...]


def perform(steps: Iterable[Undo]) -> Undone:
    """Do steps in their order, in the network namespace of the caller; a failing one does not stop the rest.

    Raises:
        OSError: no netlink socket is to be had.
    """
    done: list[str] = []
    failed: list[ServiceError] = []
    with ExitStack() as stack:
        connections: dict[int, Connection] = {}
        for step in steps:
            try:
                if isinstance(step, Restore):
                    _restore(step)
                elif not _send(step, connections, stack):
                    continue
                done.append(step.command[0] if isinstance(step, Restore) else step.name)
            except ServiceError as error:
                failed.append(error)
    return Undone(tuple(done), tuple(failed))


def _send(step: Netlink, connections: dict[int, Connection], stack: ExitStack) -> bool:
    """Do one step; whether there was something to undo."""
    if step.protocol not in connections:
        connections[step.protocol] = Connection(step.protocol)
        stack.callback(connections[step.protocol].close)
    request = Request(step.name, step.type, step.flags, step.payload)
    try:
        connections[step.protocol].transact(
            nftables.batch([request]) if step.protocol == NETFILTER else [request]
        )
    except NetlinkError as error:
        if error.errno in step.gone:
            return False
        raise
    return True


def _restore(step: Restore) -> None:
    variables = dict(each.partition("=")[::2] for each in step.environment)
    try:
        ended = subprocess.run(  # noqa: S603 - the agent's own journal says what
            step.command,
            input=step.text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RESTORE_SECONDS,
            env={**os.environ, **variables},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError("agent.restore", command=step.command[0], why=error) from error
    if ended.returncode:
        why = ended.stderr.strip()[:400] or ended.returncode
        raise ServiceError("agent.restore", command=step.command[0], why=why)
