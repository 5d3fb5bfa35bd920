"""The words of `socketlab-fault`, and of the agent's own command line. Pure: the caller resolves names.

    add drop [MATCH]            list            --for 30s     how long
    add reject ANSWER [MATCH]   heal ID         --json        the wire's own lines
    add route TYPE NETWORK      heal --all      --debug       tracebacks
                                kinds           --run-dir     where the agent's socket is

MATCH is any of --peer, --port, --proto, --direction. A standing fault is written as after `add`, without
--for.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast, get_args

from services.messages import ServiceError
from socketlab.wire.fault import (
    ANSWERS,
    ROUTE_TYPES,
    Direction,
    Drop,
    Fault,
    Match,
    Protocol,
    Reject,
    Route,
)
from socketlab.wire.message import Add, Heal, Kinds, List

RUN_DIR = Path("/run/socketlab")

Resolve = Callable[[str], tuple[str, ...]]
Word = TypeVar("Word", bound=str)

_MATCH = ("--peer", "--port", "--proto", "--direction")
_FOR = "--for"
_SWITCHES = ("--all", "--json", "--debug")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_PORT_DIGITS = 5
_REQUEST = 1
"""The number of the one request that a command makes."""


class UsageError(ServiceError):
    """The words are none of the grammar's. Whoever typed them is at fault."""


@dataclass(frozen=True, slots=True)
class Command:
    """What `socketlab-fault` has been asked to do."""

    request: Add | List | Heal | Kinds
    folder: Path
    json: bool


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How the agent has been started."""

    folder: Path
    standing: tuple[Fault, ...]


@dataclass(slots=True)
class _Line:
    """A command line, sorted; the parser takes away what it understands."""

    words: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)

    def word(self, choices: Iterable[Word] | None = None, *, expected: str = "") -> Word:
        """Take the next word, one of the choices."""
        known = tuple(choices or ())
        expected = expected or " | ".join(known)
        if not self.words:
            raise UsageError("agent.usage-missing", expected=expected)
        word = self.words.pop(0)
        if known and word not in known:
            raise UsageError("agent.usage-word", expected=expected, seen=word)
        return cast("Word", word)

    def option(self, name: str) -> str | None:
        """Take an option's value; None: it is not there."""
        values = self.options.pop(name, [])
        if len(values) > 1:
            raise UsageError("agent.usage-twice", option=name)
        return values[0] if values else None

    def choice(self, name: str, choices: tuple[Word, ...]) -> Word | None:
        """Take an option's value, one of the choices."""
        value = self.option(name)
        if value is not None and value not in choices:
            raise UsageError("agent.usage-value", option=name, expected=" | ".join(choices), seen=value)
        return value

    def switch(self, name: str) -> bool:
        """Take a switch."""
        there = name in self.switches
        self.switches.discard(name)
        return there

    def finish(self) -> None:
        """Whatever has not been taken makes no sense here."""
        for left in (*self.words, *self.options, *self.switches):
            raise UsageError("agent.usage-extra", seen=left)


def _sort(words: Sequence[str], options: Iterable[str], switches: Iterable[str]) -> _Line:
    """Tell words, options with a value (`--port 1`, `--port=1`) and switches apart."""
    line, known = _Line(), (*options, *switches)
    rest = iter(words)
    for word in rest:
        name, given, value = word.partition("=")
        if not word.startswith("-"):
            line.words.append(word)
        elif name in switches and not given:
            line.switches.add(name)
        elif name in options:
            if not given:
                value = next(rest, "")
            if not value:
                raise UsageError("agent.usage-no-value", option=name)
            line.options.setdefault(name, []).append(value)
        else:
            raise UsageError("agent.usage-option", seen=name, known=" ".join(known))
    return line


def command(words: Sequence[str], resolve: Resolve) -> Command:
    """The command that the words ask for.

    Args:
        words: the command line, without the program's name.
        resolve: all addresses of a peer's name.

    Raises:
        UsageError: the words are none of the grammar's.
        FaultError: the fault makes no sense.
    """
    line = _sort(words, (*_MATCH, _FOR, "--run-dir"), _SWITCHES)
    folder = Path(line.option("--run-dir") or RUN_DIR)
    json = line.switch("--json")
    line.switch("--debug")
    request = _request(line, resolve)
    line.finish()
    return Command(request, folder, json)


def _request(line: _Line, resolve: Resolve) -> Add | List | Heal | Kinds:
    match line.word(("add", "list", "heal", "kinds")):
        case "add":
            seconds = line.option(_FOR)
            fault = _fault(line, resolve)
            return Add(id=_REQUEST, fault=fault, seconds=None if seconds is None else duration(seconds))
        case "heal":
            everything = line.switch("--all")
            if everything == bool(line.words):
                raise UsageError("agent.usage-heal")
            return Heal(_REQUEST, None if everything else line.word(expected="ID"))
        case "kinds":
            return Kinds(_REQUEST)
        case _:
            return List(_REQUEST)


def _fault(line: _Line, resolve: Resolve) -> Fault:
    match line.word(("drop", "reject", "route")):
        case "drop":
            return Drop(_match(line, resolve))
        case "reject":
            return Reject(line.word(ANSWERS), _match(line, resolve))
        case _:
            return Route(line.word(ROUTE_TYPES), line.word(expected="NETWORK"))


def _match(line: _Line, resolve: Resolve) -> Match:
    port = line.option("--port")
    proto = line.choice("--proto", cast("tuple[Protocol, ...]", get_args(Protocol)))
    direction = line.choice("--direction", cast("tuple[Direction, ...]", get_args(Direction)))
    if port is not None and not (port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
        raise UsageError("agent.usage-value", option="--port", expected="1-65535", seen=port)
    number = None if port is None else int(port)
    Match(port=number, proto=proto)  # what makes no sense is said before a name is looked up
    peer = line.option("--peer")
    return Match(
        peer=peer,
        addresses=() if peer is None else resolve(peer),
        port=number,
        proto=proto,
        direction=direction or "in",
    )


def duration(text: str) -> float:
    """Seconds of `30s`, `500ms`, `2m`, `1h` or `1.5`.

    Raises:
        UsageError: it is none of these, or nothing at all.
    """
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds:
        raise UsageError("agent.usage-value", option=_FOR, expected="30s | 500ms | 2m | 1h | 1.5", seen=text)
    return seconds


def standing_fault(text: str, resolve: Resolve) -> Fault:
    """A standing fault, as the agent's command line names it.

    Args:
        text: the words after `add`, in one: `drop --port 7005 --proto tcp`.
        resolve: all addresses of a peer's name.

    Raises:
        UsageError: the words are none of the grammar's.
        FaultError: the fault makes no sense.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError("agent.usage-quotes", seen=text, why=error) from error
    line = _sort(words, _MATCH, ())
    fault = _fault(line, resolve)
    line.finish()
    return fault


def agent_options(words: Sequence[str], resolve: Resolve) -> AgentOptions:
    """The options that the agent has been started with.

    Raises:
        UsageError: the words are none of the grammar's.
        FaultError: a standing fault makes no sense.
    """
    line = _sort(words, ("--standing", "--run-dir"), ("--debug",))
    line.switch("--debug")
    folder = Path(line.option("--run-dir") or RUN_DIR)
    standing = line.options.pop("--standing", [])
    line.finish()
    return AgentOptions(folder, tuple(standing_fault(text, resolve) for text in standing))
