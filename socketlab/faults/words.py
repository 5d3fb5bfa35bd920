"""The words of every fault: those of a host's network (`socketlab.wire.words`), and those of the controller.

    partition a,b / c,d [--one-way]
    dns www.lab.test nxdomain | nodata | servfail | refused | silence
    dns www.lab.test slow 2s
    dns www.lab.test address 10.213.7.9 fd00:213:7::9
    pause | kill | restart [TIME] | stop-process TEXT | disconnect [NETWORK]

A document says the same as a mapping: `{kind: partition, groups: [[a, b], [c, d]], one-way: true}`,
`{kind: dns, name: www.lab.test, answer: slow, seconds: 2s}`, `{kind: restart, seconds: 1s}`.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from socketlab.faults.model import DNS_ANSWERS, DOINGS, LAB_KINDS, Dns, HostAction, LabFault, Partition
from socketlab.wire import words as wire_words
from socketlab.wire.errors import WordsError
from socketlab.wire.forms import SWITCH, TIME
from socketlab.wire.words import KIND_WORDS

ALL_KINDS: Final = (*KIND_WORDS, *LAB_KINDS)
"""The first words that there are."""
USAGE: Final[Mapping[str, str]] = {
    "partition": "partition A,B / C,D [--one-way]",
    "dns": f"dns NAME {'|'.join(DNS_ANSWERS)} [TIME | ADDRESS...]",
    "pause": "pause",
    "stop-process": "stop-process TEXT",
    "kill": "kill",
    "restart": "restart [TIME]",
    "disconnect": "disconnect [NETWORK]",
}
"""Usage lines of the controller's kinds."""
_ONE_WAY: Final = "--one-way"
_SHOWN: Final = 60


def usage(kind: str) -> str:
    """The usage line of a kind.

    Raises:
        WordsError: there is no such kind.
    """
    return USAGE[kind] if kind in USAGE else wire_words.usage(_known(kind))


def kind_of(fault: LabFault) -> str:
    """The first of its words."""
    return fault.do if isinstance(fault, HostAction) else fault.kind


def words_of_lab(fault: LabFault) -> str:
    """The words that ask for a fault, quoted as a shell takes them."""
    if not isinstance(fault, Partition | Dns | HostAction):
        return wire_words.words(fault)
    return shlex.join(_words(fault)).replace("'/'", "/")


def _words(fault: Partition | Dns | HostAction) -> list[str]:
    match fault:
        case Partition():
            groups = " / ".join(",".join(group) for group in fault.groups).split()
            return ["partition", *groups, *([_ONE_WAY] if fault.one_way else [])]
        case Dns():
            more = list(fault.addresses) if fault.seconds is None else [TIME.write(fault.seconds)]
            return ["dns", fault.name, fault.answer, *more]
        case _:
            own = fault.process or fault.network or (TIME.write(fault.seconds) if fault.seconds else None)
            return [fault.do, *([own] if own else [])]


def fault_of_lab(given: str | Sequence[str] | Mapping[str, Any]) -> LabFault:
    """The fault that words ask for, or a document.

    Args:
        given: a line of words, the words, or a mapping of members.

    Raises:
        WordsError: it asks for none.
        FaultError: the fault makes no sense.
    """
    if isinstance(given, Mapping):
        return _of_members(given)
    typed = wire_words.split(given) if isinstance(given, str) else list(given)
    if not typed:
        raise WordsError("words-kind-missing", known=" ".join(ALL_KINDS))
    kind = _known(typed[0])
    if kind not in LAB_KINDS:
        return wire_words.fault_of(typed)
    return _of_words(kind, typed[1:])


def _known(kind: object) -> str:
    """A kind that there is.

    Raises:
        WordsError: it is none.
    """
    if isinstance(kind, str) and kind in ALL_KINDS:
        return kind
    said = ascii(kind)[:_SHOWN] if not isinstance(kind, str) or not kind.isascii() else kind[:_SHOWN]
    meant = wire_words.near(kind, ALL_KINDS) if isinstance(kind, str) else None
    if meant is None:
        raise WordsError("words-kind", seen=said, known=" ".join(ALL_KINDS))
    raise WordsError("words-kind-near", seen=said, near=meant)


def _of_words(kind: str, rest: Sequence[str]) -> LabFault:
    switches = [word for word in rest if word.startswith("-")]
    row = [word for word in rest if not word.startswith("-")]
    allowed = (_ONE_WAY,) if kind == "partition" else ()
    for word in switches:
        if word not in allowed:
            raise WordsError(
                "words-option", seen=ascii(word)[:_SHOWN], known=" ".join(allowed) or "-", kind=kind
            )
    if kind == "partition":
        sides = [side.replace(",", " ").split() for side in " ".join(row).split("/")]
        return Partition(tuple(tuple(side) for side in sides), one_way=bool(switches))
    if kind == "dns":
        return _dns(row)
    if len(row) > (kind in {"restart", "disconnect", "stop-process"}):
        raise WordsError("words-extra", seen=ascii(row[-1])[:_SHOWN], usage=USAGE[kind])
    return _action(kind, row[0] if row else None)


def _dns(row: Sequence[str]) -> Dns:
    if len(row) < 2:  # noqa: PLR2004 - the name and the answer
        raise WordsError("words-missing", expected=" | ".join(DNS_ANSWERS), usage=USAGE["dns"])
    name, answer, *more = row
    if answer == "slow":
        if len(more) != 1:
            raise WordsError("words-missing", expected=TIME.expected, usage=USAGE["dns"])
        return Dns(name, "slow", TIME.value(more[0], "TIME"))
    if answer != "address" and more:
        raise WordsError("words-extra", seen=ascii(more[0])[:_SHOWN], usage=USAGE["dns"])
    return Dns(name, answer, addresses=tuple(more))  # type: ignore[arg-type] # Dns looks at it


def _action(kind: str, own: str | None) -> HostAction:
    match kind:
        case "restart":
            return HostAction("restart", seconds=0.0 if own is None else TIME.value(own, "TIME"))
        case "disconnect":
            return HostAction("disconnect", network=own)
        case "stop-process":
            if own is None:
                raise WordsError("words-missing", expected="TEXT", usage=USAGE[kind])
            return HostAction("stop-process", process=own)
        case _:
            return HostAction(kind)  # type: ignore[arg-type] # one of DOINGS


_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "partition": ("groups", "one_way"),
    "dns": ("name", "answer", "seconds", "addresses"),
    "restart": ("seconds",),
    "disconnect": ("network",),
    "stop-process": ("process",),
}


def _of_members(given: Mapping[str, Any]) -> LabFault:
    members = {str(name).replace("-", "_"): value for name, value in given.items() if value is not None}
    if "kind" not in members:
        raise WordsError("words-kind-missing", known=" ".join(ALL_KINDS))
    kind = _known(members["kind"])
    if kind not in LAB_KINDS:
        return wire_words.fault_from(given)
    del members["kind"]
    allowed = _MEMBERS.get(kind, ())
    for name in members:
        if name not in allowed:
            meant = wire_words.near(name, allowed)
            if meant is not None:
                raise WordsError("words-member-near", seen=ascii(name)[:_SHOWN], near=meant, kind=kind)
            raise WordsError(
                "words-member", seen=ascii(name)[:_SHOWN], known=" ".join(allowed) or "-", kind=kind
            )
    made: dict[str, Any] = {
        name: _READ.get(name, _text)(value, f"{kind}: {name}") for name, value in members.items()
    }
    return _made(kind, made)


def _made(kind: str, made: Mapping[str, Any]) -> LabFault:
    required = {"partition": ("groups",), "dns": ("name", "answer"), "stop-process": ("process",)}
    for name in required.get(kind, ()):
        if name not in made:
            raise WordsError("words-member-missing", kind=kind, name=name, expected=USAGE[kind])
    if kind == "partition":
        return Partition(**made)
    if kind == "dns":
        return Dns(**made)
    return HostAction(kind, **made)  # type: ignore[arg-type] # one of DOINGS


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise WordsError("words-value", name=where, expected="TEXT", seen=ascii(value)[:_SHOWN])
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if not isinstance(value, Sequence):
        raise WordsError("words-value", name=where, expected="[TEXT, TEXT]", seen=ascii(value)[:_SHOWN])
    return tuple(_text(each, where) for each in value)


def _groups(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise WordsError("words-value", name=where, expected="[[a, b], [c, d]]", seen=ascii(value)[:_SHOWN])
    return tuple(_texts(each, where) for each in value)


_READ: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "groups": _groups,
    "one_way": SWITCH.taken,
    "seconds": TIME.taken,
    "addresses": _texts,
}

__all__ = ["ALL_KINDS", "DOINGS", "USAGE", "fault_of_lab", "kind_of", "usage", "words_of_lab"]
