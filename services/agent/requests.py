"""Requests of a controller, answered. No I/O of its own: a line comes in, a line goes out."""

from services.agent.faults import MAX_LEASES, Faults
from services.messages import ServiceError
from socketlab.wire import (
    Add,
    Applied,
    Attach,
    Attached,
    Failure,
    Heal,
    KindList,
    Kinds,
    Leases,
    Limits,
    List,
    Message,
    SocketlabError,
    decode,
    encode,
)

REQUEST = Limits(line=4096)
"""Room for a fault with 64 addresses. It bounds what an agent's faults can take up, and so the answers."""
ANSWER = Limits(line=4 * MAX_LEASES * REQUEST.line)
"""Room for all the faults an agent can hold; a letter of a peer's name may take thrice its room there."""


def answer(line: bytes, faults: Faults) -> bytes:
    """Do what a line asks for, and say what came of it."""
    request: int | None = None
    try:
        message = decode(line, REQUEST)
        request = getattr(message, "id", None)
        return encode(_do(message, faults), ANSWER)
    except SocketlabError as error:
        return failure(error, request)


def attaches(line: bytes) -> bool:
    """Whether a line asks to stay connected."""
    if b'"attach"' not in line:
        return False
    try:
        return isinstance(decode(line, REQUEST), Attach)
    except SocketlabError:
        return False


def failure(error: SocketlabError, request: int | None = None) -> bytes:
    """The line that tells of an error."""
    return encode(Failure.of(error, request), ANSWER)


def _do(message: Message, faults: Faults) -> Message:
    match message:
        case Add(id=number, fault=fault, seconds=seconds):
            return Applied(number, faults.add(fault, seconds))
        case List(id=number):
            return Leases(number, faults.leases())
        case Heal(id=number, lease=None):
            return Leases(number, faults.heal_all())
        case Heal(id=number, lease=str(lease)):
            return Leases(number, (faults.heal(lease),))
        case Attach(id=number):  # `Clients` sees to it
            return Attached(number)
        case Kinds(id=number):
            return KindList(number, faults.kinds())
    raise ServiceError("agent.no-request", seen=message.type)
