"""`socketlab-fault`: asks the agent of this host for faults.

    socketlab-fault add drop --peer client --port 7000 --proto tcp --for 30s
    socketlab-fault list

Theory of operation
    `grammar` has the words, `asking` talks to the agent, `listing` shows the answers. Most commands are one
    request and one answer; `log` asks until it has all, `watch` goes on until Ctrl-C. `add` without an agent
    to ask, and `run` always, are an agent themselves (`alone`) and hold the fault while they run.
"""

import itertools
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from services.agent import folders, listing
from services.agent.asking import Asking, NoAgentError, ask
from services.agent.console import show, tell, write
from services.agent.exit_codes import DONE, INTERRUPTED, USAGE, exit_code_of
from services.agent.grammar import Command, UsageError, command
from services.agent.meeting import ANSWER
from services.agent.names import addresses_of
from services.messages import ServiceError, say
from socketlab.wire.errors import FaultError, SocketlabError
from socketlab.wire.lease import Lease
from socketlab.wire.message import (
    Add,
    Applied,
    Attach,
    Failure,
    Heal,
    HeldPackets,
    KindList,
    Leases,
    Log,
    LogPage,
    Message,
    Watching,
    encode,
)

_NAME = "socketlab-fault"


def _line(message: Message) -> str:
    """A message as the wire has it."""
    return encode(message, ANSWER).decode("ascii").rstrip()


def _sentence(asked: Command, answer: Message) -> str:
    """An answer for a person."""
    match answer:
        case Applied(lease=lease):
            return listing.applied(lease)
        case Leases(leases=leases) if isinstance(asked.request, Heal):
            return listing.healed(leases)
        case Leases(leases=leases):
            return listing.leases(leases)
        case KindList(kinds=kinds):
            return listing.kinds(kinds, asked.about)
        case HeldPackets(packets=packets):
            return listing.held(packets, time.monotonic_ns())
    raise ServiceError("agent.no-request", seen=answer.type)


def _once(asked: Command, folder: Path) -> int:
    """One request, one answer."""
    answer = ask(folder, asked.request)
    if asked.json:
        write(_line(answer))
    else:
        show(_sentence(asked, answer))
    return DONE


def _add(asked: Command, folder: Path) -> int:
    """Ask for a fault; where there is nobody to ask, be an agent for it."""
    try:
        return _once(asked, folder)
    except NoAgentError:
        return _alone(asked, folder)


def _alone(asked: Command, _: Path) -> int:
    """Be an agent for one fault, until its time is up or somebody ends us."""
    from services.agent import alone  # noqa: PLC0415 - whoever asks an agent needs no agent's modules

    request = asked.request
    if not isinstance(request, Add):
        raise ServiceError("agent.no-request", seen=request.type)
    with folders.of_its_own(asked.folder) as folder:
        return alone.run(
            folder,
            request.fault,
            request.seconds,
            asked.without,
            applied=partial(_tell_applied, json=asked.json),
            journal_folder=asked.journal_folder,
            debug=asked.debug,
        )


def _tell_applied(lease: Lease, *, json: bool) -> None:
    if json:
        write(_line(Applied(1, lease)))
    else:
        show(listing.applied(lease, alone=True))


def _log(asked: Command, folder: Path) -> int:
    """All that the log holds, page by page."""
    request = asked.request
    if not isinstance(request, Log):
        raise ServiceError("agent.no-request", seen=request.type)
    origin: int | None = None
    after = request.after
    with Asking(folder) as asking:
        for number in itertools.count(1):
            page = asking.ask(Log(id=number, lease=request.lease, after=after))
            if not isinstance(page, LogPage):
                raise ServiceError("agent.no-request", seen=page.type)
            origin = _show_page(page, origin, json=asked.json)
            if not page.entries:
                return DONE
            after = page.entries[-1].number
    raise AssertionError  # the count has no end


def _show_page(page: LogPage, origin: int | None, *, json: bool) -> int | None:
    """Show a part of the log; what its times count from: the first entry."""
    if json:
        write(_line(page))
        return origin
    if origin is None and page.entries:
        origin = page.entries[0].at_ns
    for line in listing.entries(page, origin or 0):
        show(line)
    return origin


def _watch(asked: Command, folder: Path) -> int:
    """What happens, as it happens, until Ctrl-C or the agent's end."""
    with Asking(folder) as asking:
        asking.ask(Attach(0))
        asking.ask(asked.request)
        if not asked.json:
            show(say("fault_command.watching"))
        _follow(asking, json=asked.json)
    raise NoAgentError("agent.missing", path=folder, why=say("agent.hung-up"))


def _follow(asking: Asking, *, json: bool) -> None:
    leases: tuple[Lease, ...] = ()
    origin: int | None = None
    for message in asking.told():
        if json:
            write(_line(message))
            continue
        match message:
            case Leases(leases=now):
                for line in listing.changes(leases, now):
                    show(line)
                leases = now
            case LogPage():
                origin = _show_page(message, origin, json=False)
            case HeldPackets(packets=packets):
                show(listing.held(packets, time.monotonic_ns()))
            case Watching():
                pass
            case _:
                raise ServiceError("agent.no-request", seen=message.type)


_WAYS = {"add": _add, "run": _alone, "log": _log, "watch": _watch}


def _complain(error: Exception, *, json: bool) -> int:
    """Tell of an error; its exit code."""
    if json and isinstance(error, SocketlabError):
        write(_line(Failure.of(error)))
    tell(str(error), _NAME)
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
        show(say("fault_command.help", kinds=listing.usages()))
        return DONE
    try:
        asked = command(words, addresses_of)
        return _WAYS.get(asked.verb, _once)(asked, folders.to_ask(asked.folder))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SocketlabError, OSError) as error:
        if "--debug" in words:
            raise
        return _complain(error, json="--json" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
