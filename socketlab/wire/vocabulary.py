"""The table of the words of faults: which words and options each kind has, and how their values are written.

`words` reads and writes by it; usage lines and completion are read off it too.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from socketlab.wire.fault import ANSWERS, KINDS, ROUTE_TYPES, Checksum, Distribution, Then
from socketlab.wire.forms import (
    COUNT,
    NUMBER,
    PAYLOAD,
    PORT,
    RATE,
    SHARE,
    SIZE,
    SWITCH,
    TIME,
    Form,
    choice,
    named,
)
from socketlab.wire.match import Direction, Family, Protocol

_NETWORK = named("NETWORK", "10.213.7.0/24 | 10.213.7.9 | fd00::/64")


class Word(NamedTuple):
    """A word or an option of a kind.

    Args:
        member: of the fault, of its match (`peer`) or of which (`first`).
        name: the option, or what stands for the word in a usage line.
        form: how its value is written.
        is_needed: whether an option cannot be left out.
    """

    member: str
    name: str
    form: Form
    is_needed: bool = False

    @property
    def usage(self) -> str:
        """As a usage line has it."""
        if not self.is_option:
            return self.name
        shown = self.name if self.form is SWITCH else f"{self.name} {self.form.name}"
        return shown if self.is_needed else f"[{shown}]"

    @property
    def is_option(self) -> bool:
        """Whether it is an option; else a word in its place."""
        return self.name.startswith("-")


_PEER = Word("peer", "--peer", named("NAME", "client | 10.213.7.9 | 10.213.7.0/24"))
_FAMILY = Word("family", "--family", choice(get_args(Family)))
_PORTS = (
    Word("port", "--port", PORT),
    Word("own_port", "--own-port", PORT),
    Word("peer_port", "--peer-port", PORT),
)
_PROTO = Word("proto", "--proto", choice(get_args(Protocol)))
_DIRECTION = Word("direction", "--direction", choice(get_args(Direction)))
_FLAGS = Word("flags", "--flags", named("FLAGS", "SYN | SYN,ACK | FIN,!ACK"))
_PAYLOAD = Word("payload", "--payload", PAYLOAD)

FEW = (_PEER, _FAMILY)
"""Options of the matches of kinds that are about an address."""
SELECTORS = (_PEER, *_PORTS, _PROTO, _DIRECTION, _FAMILY)
"""Options of the matches of kinds that take all packets of a kind of traffic."""
WHICH = (
    Word("nth", "--nth", COUNT),
    Word("first", "--first", COUNT),
    Word("every", "--every", COUNT),
    Word("after", "--after", COUNT),
    Word("at_most", "--at-most", COUNT),
    Word("probability", "--probability", SHARE),
    Word("seed", "--seed", COUNT),
)
"""Options that choose among the packets that match, by their ordinals."""
_WHICH_BESIDE_SEED = (*WHICH[:-1], Word("seed", "--which-seed", COUNT))
_UNFLAGGED = (*SELECTORS, _PAYLOAD)
EVERYTHING = (*SELECTORS, _FLAGS, _PAYLOAD)
"""Options of the matches of kinds that look at each packet."""
_SEED = Word("seed", "--seed", COUNT)


@dataclass(frozen=True, slots=True)
class KindWords:
    """The words of one kind.

    Args:
        cls: of the fault.
        own: words and options of the kind itself; the words come in this order.
        match: options of its match; none: it has none.
        which: options that choose among the packets that match.
    """

    cls: type[Any]
    own: tuple[Word, ...] = ()
    match: tuple[Word, ...] = ()
    which: tuple[Word, ...] = ()

    @property
    def row(self) -> tuple[Word, ...]:
        """The words that come in their places."""
        return tuple(word for word in self.own if not word.is_option)

    @property
    def options(self) -> dict[str, Word]:
        """Its options by their names."""
        every = (*self.own, *self.match, *self.which)
        return {word.name: word for word in every if word.is_option}


def _kind(name: str, *own: Word, match: tuple[Word, ...] = (), which: tuple[Word, ...] = ()) -> KindWords:
    return KindWords(KINDS[name], own, match, which)


KIND_WORDS: dict[str, KindWords] = {
    "drop": _kind("drop", match=EVERYTHING, which=WHICH),
    "reject": _kind(
        "reject",
        Word("answer", "ANSWER", choice(ANSWERS)),
        Word("delay", "--delay", TIME),
        match=EVERYTHING,
        which=WHICH,
    ),
    "delay": _kind(
        "delay",
        Word("seconds", "TIME", TIME),
        Word("jitter", "--jitter", TIME),
        Word("distribution", "--distribution", choice(get_args(Distribution))),
        Word("reorder", "--reorder", SWITCH),
        _SEED,
        match=EVERYTHING,
        which=_WHICH_BESIDE_SEED,
    ),
    "loss": _kind(
        "loss",
        Word("probability", "SHARE", SHARE),
        Word("burst", "--burst", NUMBER),
        _SEED,
        match=EVERYTHING,
        which=_WHICH_BESIDE_SEED,
    ),
    "duplicate": _kind("duplicate", Word("copies", "--copies", COUNT), match=EVERYTHING, which=WHICH),
    "reorder": _kind(
        "reorder",
        Word("gap", "--gap", COUNT),
        Word("seconds", "--within", TIME),
        match=EVERYTHING,
        which=WHICH,
    ),
    "corrupt": _kind(
        "corrupt",
        Word("checksum", "--checksum", choice(get_args(Checksum))),
        Word("bits", "--bits", COUNT),
        _SEED,
        match=EVERYTHING,
        which=_WHICH_BESIDE_SEED,
    ),
    "throttle": _kind(
        "throttle",
        Word("rate", "RATE", RATE),
        Word("queue", "--queue", TIME),
        Word("burst", "--burst", SIZE),
        match=SELECTORS,
    ),
    "mtu": _kind("mtu", Word("bytes", "BYTES", COUNT), Word("to", "--to", _NETWORK)),
    "pmtu-black-hole": _kind("pmtu-black-hole", match=FEW),
    "slow-handshake": _kind("slow-handshake", Word("seconds", "TIME", TIME), match=_UNFLAGGED, which=WHICH),
    "reset": _kind("reset", Word("now", "--now", SWITCH), match=EVERYTHING, which=WHICH),
    "hold": _kind("hold", Word("most", "--most", COUNT), match=EVERYTHING, which=WHICH),
    "limit": _kind(
        "limit",
        Word("bytes", "SIZE", SIZE),
        Word("then", "--then", choice(get_args(Then))),
        match=EVERYTHING,
        which=WHICH,
    ),
    "segments": _kind("segments", Word("bytes", "BYTES", COUNT), match=_UNFLAGGED, which=WHICH),
    "route": _kind("route", Word("type", "TYPE", choice(ROUTE_TYPES)), Word("to", "NETWORK", _NETWORK)),
    "link": _kind(
        "link",
        Word("device", "--device", named("NAME", "eth0")),
        Word("down", "--down", TIME),
        Word("up", "--up", TIME),
    ),
    "neighbour": _kind("neighbour", match=(_PEER._replace(is_needed=True), _FAMILY)),
}
"""The table: the words of each kind, in the order that help lists them."""

SWITCHES: frozenset[str] = frozenset(
    name for kind in KIND_WORDS.values() for name, word in kind.options.items() if word.form is SWITCH
)
"""Options without a value."""
VALUED: frozenset[str] = frozenset(name for kind in KIND_WORDS.values() for name in kind.options) - SWITCHES
"""Options with a value."""


def usage(kind: str) -> str:
    """The usage line of a kind: `delay TIME [--jitter TIME] ... [MATCH] [WHICH]`."""
    table = KIND_WORDS[kind]
    parts = [kind, *(word.usage for word in table.own)]
    if len(table.match) <= len(SELECTORS):
        parts += [word.usage for word in table.match]
    else:
        parts += ["[MATCH]"]
    if table.which:
        parts += ["[WHICH]"]
    return " ".join(parts)


def option_names(kind: str) -> tuple[str, ...]:
    """The options of a kind, for completion."""
    return tuple(KIND_WORDS[kind].options)
