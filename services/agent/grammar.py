"""The words of `socketlab-fault`, and of the agent's own command line. Pure: the caller resolves names.

    add FAULT      list           log [ID]       --for 30s     how long (add, run)
    run FAULT      heal ID        held [ID]      --json        the wire's own lines
    kinds [KIND]   heal --all     step N         --debug       tracebacks
                                  watch          --run-dir     where the agent's socket is

FAULT is a line of `socketlab.wire.words`. A standing fault is written as after `add`, without --for.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from services.agent.meeting import RUN_DIR
from services.messages import ServiceError
from socketlab.wire.fault import Fault
from socketlab.wire.message import Add, Advance, Heal, Held, Kinds, List, Log, Watch
from socketlab.wire.words import Resolve, duration, fault_of, near, resolved, set_apart, split, table_of

FEATURES = ("owner", "queue", "compat", "reject")
"""What `--without` can make an agent believe that its kernel lacks."""

Verb: TypeAlias = Literal["add", "run", "list", "heal", "kinds", "log", "held", "step", "watch"]
Request: TypeAlias = Add | List | Heal | Kinds | Log | Held | Advance | Watch
VERBS: tuple[Verb, ...] = get_args(Verb)

_REQUEST = 1
"""The number of a command's request."""
_SWITCHES = ("--json", "--debug")
_VALUED = ("--for", "--run-dir")
_OF_AGENTS = ("--without", "--journal-dir")
_MOST_DIGITS = 15


class UsageError(ServiceError):
    """The words are none of the grammar's. Whoever typed them is at fault."""


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How an agent has been started.

    Args:
        folder: its run directory.
        standing: the faults that the lab's definition names.
        without: features of the kernel to do without.
        journal_folder: where it notes what must outlive it: its run directory, where nothing is said.
    """

    folder: Path
    standing: tuple[Fault, ...]
    without: frozenset[str]
    journal_folder: Path


@dataclass(frozen=True, slots=True)
class Command:
    """What `socketlab-fault` has been asked to do.

    Args:
        verb: the first word.
        request: what to ask the agent for.
        folder: the agent's run directory; None: where there is one.
        json: show the wire's own lines.
        debug: show tracebacks.
        about: of `kinds`: only this one.
        without: of an agent of its own: features of the kernel to do without.
        journal_folder: of an agent of its own, as in `AgentOptions`; None: nothing is said.
    """

    verb: Verb
    request: Request
    folder: Path | None = None
    json: bool = False
    debug: bool = False
    about: str | None = None
    without: frozenset[str] = frozenset()
    journal_folder: Path | None = None


@dataclass(slots=True)
class _Line:
    """A command line, sorted; the parser takes away what it understands."""

    options: dict[str, list[str]] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)

    def option(self, name: str) -> str | None:
        """Take an option's value; None: it is not there."""
        values = self.options.pop(name, [])
        if len(values) > 1:
            raise UsageError("agent.usage-twice", option=name)
        return values[0] if values else None

    def folder(self, name: str) -> Path | None:
        """Take an option that names a directory."""
        value = self.option(name)
        return None if value is None else Path(value)

    def switch(self, name: str) -> bool:
        """Take a switch."""
        there = name in self.switches
        self.switches.discard(name)
        return there

    def word(self, expected: str) -> str:
        """Take the next word."""
        if not self.words:
            raise UsageError("agent.usage-missing", expected=expected)
        return self.words.pop(0)

    def count(self, expected: str) -> int:
        """Take the next word, a number."""
        word = self.word(expected)
        if not (word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS):
            raise UsageError("agent.usage-word", expected=expected, seen=ascii(word)[:60])
        return int(word)

    def finish(self) -> None:
        """Whatever has not been taken makes no sense here."""
        for left in (*self.words, *self.options, *self.switches):
            raise UsageError("agent.usage-extra", seen=left)


def _sort(words: Sequence[str], valued: Iterable[str], switches: Iterable[str]) -> _Line:
    """Tell a command's own options (`--run-dir X`, `--run-dir=X`) from all other words."""
    line, without = _Line(), frozenset(switches)
    own, line.words = set_apart(words, valued, without)
    for name, value in own:
        if name not in without:
            if not value:
                raise UsageError("agent.usage-no-value", option=name)
            line.options.setdefault(name, []).append(value)
        elif value is not None:
            raise UsageError("agent.usage-option", seen=f"{name}={value}", known=name)
        else:
            line.switches.add(name)
    return line


def command(words: Sequence[str], resolve: Resolve) -> Command:
    """The command that the words ask for.

    Args:
        words: the command line, without the program's name.
        resolve: all addresses of a peer's name.

    Raises:
        UsageError: the words are none of the grammar's.
        FaultError: those after `add` ask for no fault, or for one that makes no sense.
    """
    line = _sort(words, (*_VALUED, *_OF_AGENTS), _SWITCHES)
    json = line.switch("--json")
    debug = line.switch("--debug")
    folder = line.folder("--run-dir")
    verb = _verb(line)
    without: frozenset[str] = frozenset()
    journal_folder = None
    if verb == "run":
        without, journal_folder = _without(line), line.folder("--journal-dir")
    about = _about(line) if verb == "kinds" else None
    request = _REQUESTS[verb](line, resolve)
    line.finish()
    return Command(verb, request, folder, json, debug, about, without, journal_folder)


def _verb(line: _Line) -> Verb:
    expected = " | ".join(VERBS)
    word = line.word(expected)
    if word not in VERBS:
        meant = near(word, VERBS)
        raise UsageError("agent.usage-word", expected=meant or expected, seen=ascii(word)[1:-1][:60])
    return word


def _about(line: _Line) -> str | None:
    """Take the kind that somebody wants to know about; None: all."""
    if not line.words or line.words[0].startswith("-"):
        return None
    kind = line.word("KIND")
    table_of(kind)
    return kind


def _own(line: _Line, valued: tuple[str, ...] = (), switches: tuple[str, ...] = ()) -> _Line:
    """Sort the options of one command; an option that is none of them is refused by its name."""
    sorted_line = _sort(line.words, valued, switches)
    line.words = []
    for word in sorted_line.words:
        if word.startswith("-"):
            known = " ".join((*valued, *switches, *_SWITCHES, "--run-dir"))
            raise UsageError("agent.usage-option", seen=word, known=known)
    return sorted_line


def _add(line: _Line, resolve: Resolve) -> Add:
    given = line.option("--for")
    seconds = None if given is None else duration(given, "--for")
    if seconds == 0:
        raise UsageError("agent.usage-value", option="--for", expected="30s | 500ms | 2m | 1h", seen=given)
    words, line.words = line.words, []
    return Add(id=_REQUEST, fault=resolved(fault_of(words), resolve), seconds=seconds)


def _list(line: _Line, _: Resolve) -> List:
    _own(line).finish()
    return List(_REQUEST)


def _heal(line: _Line, _: Resolve) -> Heal:
    own = _own(line, switches=("--all",))
    everything = own.switch("--all")
    if everything == bool(own.words):
        raise UsageError("agent.usage-heal")
    lease = None if everything else own.word("ID")
    own.finish()
    return Heal(_REQUEST, lease)


def _kinds(line: _Line, _: Resolve) -> Kinds:
    _own(line).finish()
    return Kinds(_REQUEST)


def _log(line: _Line, _: Resolve) -> Log:
    own = _own(line, ("--after",))
    after = own.option("--after")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) <= _MOST_DIGITS):
        raise UsageError("agent.usage-value", option="--after", expected="17", seen=after)
    lease = own.word("ID") if own.words else None
    own.finish()
    return Log(id=_REQUEST, lease=lease, after=int(after or 0))


def _held(line: _Line, _: Resolve) -> Held:
    own = _own(line)
    lease = own.word("ID") if own.words else None
    own.finish()
    return Held(_REQUEST, lease)


def _step(line: _Line, _: Resolve) -> Advance:
    own = _own(line, switches=("--drop", "--duplicate"))
    packet = own.count("N")
    request = Advance(_REQUEST, packet)
    if own.switch("--drop"):
        request = Advance(_REQUEST, packet, "drop")
    elif own.switch("--duplicate"):
        request = Advance(_REQUEST, packet, "duplicate")
    own.finish()
    return request


def _watch(line: _Line, _: Resolve) -> Watch:
    _own(line).finish()
    return Watch(id=_REQUEST, leases=True, log=True, held=True)


_REQUESTS: dict[Verb, Callable[[_Line, Resolve], Request]] = {
    "add": _add,
    "run": _add,
    "list": _list,
    "heal": _heal,
    "kinds": _kinds,
    "log": _log,
    "held": _held,
    "step": _step,
    "watch": _watch,
}


def _without(line: _Line) -> frozenset[str]:
    given = line.option("--without")
    if given is None:
        return frozenset()
    names = frozenset(given.split(","))
    if not names <= set(FEATURES):
        raise UsageError("agent.usage-value", option="--without", expected=",".join(FEATURES), seen=given)
    return names


def standing_fault(text: str, resolve: Resolve) -> Fault:
    """A standing fault, as the agent's command line names it.

    Args:
        text: the words after `add`, in one: `drop --port 7005 --proto tcp`.
        resolve: all addresses of a peer's name.

    Raises:
        FaultError: the words ask for no fault, or for one that makes no sense.
    """
    return resolved(fault_of(split(text)), resolve)


def agent_options(words: Sequence[str], resolve: Resolve) -> AgentOptions:
    """The options that the agent has been started with.

    Raises:
        UsageError: the words are none of the grammar's.
        FaultError: a standing fault makes no sense.
    """
    line = _sort(words, ("--standing", "--run-dir", *_OF_AGENTS), ("--debug",))
    line.switch("--debug")
    folder = line.folder("--run-dir") or RUN_DIR
    without, journal_folder = _without(line), line.folder("--journal-dir")
    standing = line.options.pop("--standing", [])
    line.finish()
    faults = tuple(standing_fault(text, resolve) for text in standing)
    return AgentOptions(folder, faults, without, journal_folder or folder)
