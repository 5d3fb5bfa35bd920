"""`socketlab-fault`: asks the agent of this host for faults.

    socketlab-fault add drop --peer client --port 7000 --proto tcp --for 30s
    socketlab-fault list

One request, one answer, over the agent's Unix socket; `grammar` has the words, `listing` the answers.
"""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from services.agent import listing
from services.agent.clients import SOCKET_NAME
from services.agent.console import show, tell, write
from services.agent.exit_codes import DONE, INTERRUPTED, USAGE, exit_code_of
from services.agent.grammar import UsageError, command
from services.agent.names import addresses_of
from services.agent.requests import ANSWER, REQUEST
from services.messages import ServiceError, say
from socketlab.wire import (
    Add,
    Applied,
    Failure,
    FaultError,
    Heal,
    KindList,
    Kinds,
    Leases,
    List,
    Message,
    SocketlabError,
    decode,
    encode,
)

_SECONDS = 10.0
"""Longer than the agent takes for anything: it waits for nobody but the kernel."""


class AgentError(ServiceError):
    """The agent refused; its own code and details, said here in the language of whoever asked."""

    def __str__(self) -> str:
        try:
            return super().__str__()
        except KeyError:  # an agent of another release
            return f"{self.code} {self.details}"


def ask(folder: Path, request: Add | List | Heal | Kinds) -> Message:
    """Put one request to the agent.

    Args:
        folder: the agent's run directory.
        request: what to ask.

    Returns:
        Its answer, never a `Failure`.

    Raises:
        AgentError: it refused.
        ServiceError: there is no agent, or it does not answer.
    """
    path = folder / SOCKET_NAME
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(encode(request, REQUEST))
            line = _read_line(connection)
        except PermissionError as error:
            raise ServiceError("agent.not-allowed", path=path, errno="EACCES") from error
        except OSError as error:
            raise ServiceError("agent.missing", path=path, why=error.strerror or error) from error
    if not line.endswith(b"\n"):
        raise ServiceError("agent.missing", path=path, why=say("agent.hung-up"))
    answer = decode(line, ANSWER)
    if isinstance(answer, Failure):
        raise AgentError(answer.code, **{detail.name: detail.value for detail in answer.details})
    return answer


def _read_line(connection: socket.socket) -> bytes:
    """One line, or what came of it until the agent hung up."""
    line = bytearray()
    while not line.endswith(b"\n") and len(line) <= ANSWER.line:
        data = connection.recv(1 << 16)
        if not data:
            break
        line += data
    return bytes(line)


def _line(message: Message) -> str:
    """A message as the wire has it."""
    return encode(message, ANSWER).decode("ascii").rstrip()


def _sentence(request: Message, answer: Message) -> str:
    """An answer for a person."""
    match answer:
        case Applied(lease=lease):
            return listing.applied(lease)
        case Leases(leases=leases) if isinstance(request, Heal):
            return listing.healed(leases)
        case Leases(leases=leases):
            return listing.leases(leases)
        case KindList(kinds=kinds):
            return listing.kinds(kinds)
    raise ServiceError("agent.no-request", seen=answer.type)


def _complain(error: Exception, *, json: bool) -> int:
    """Tell of an error; its exit code."""
    if json and isinstance(error, SocketlabError):
        write(_line(Failure.of(error)))
    tell(str(error), "socketlab-fault")
    if isinstance(error, (UsageError, FaultError)):
        return USAGE
    return exit_code_of(error)


def main(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: the command line, without the program's name.

    Returns:
        The exit code.
    """
    if {"--help", "-h"} & set(words):
        show(say("fault_command.help"))
        return DONE
    try:
        asked = command(words, addresses_of)
        answer = ask(asked.folder, asked.request)
        if asked.json:
            write(_line(answer))
        else:
            show(_sentence(asked.request, answer))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SocketlabError, OSError) as error:
        if "--debug" in words:
            raise
        return _complain(error, json="--json" in words)
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
