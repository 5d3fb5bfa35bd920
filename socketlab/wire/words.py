"""The words of faults: one grammar for command lines, for the agent's standing faults and for plans.

    drop --peer client --port 7000 --proto tcp --flags SYN --first 2
    delay 200ms --jitter 50ms --seed 1
    route unreachable 10.213.7.99

Theory of operation
    `vocabulary` says for each kind which members of its class are words in a row, which are options, and how
    a value of each is written (`forms`). All else is read off that table, both ways: what `words` shows can
    be typed again, and `fault_of` gives the same fault. A document (YAML) may say the same as a mapping:
    `{kind: delay, seconds: 200ms, peer: client, which: {first: 2}}`.

    `--seed` is of the kind's own chance where it has one (delay, loss, corrupt), else of `--probability`;
    `--which-seed` is of `--probability` for those. Names of peers stay unresolved: `resolved` is for whoever
    knows the addresses.
"""

import dataclasses
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from socketlab.wire.errors import FaultError, WordsError
from socketlab.wire.fault import Fault, match_of, with_match
from socketlab.wire.forms import SWITCH, duration, rate, size
from socketlab.wire.match import Match, Which
from socketlab.wire.vocabulary import KIND_WORDS, SWITCHES, VALUED, KindWords, Word, option_names, usage

Resolve = Callable[[str], tuple[str, ...]]
"""All addresses of a peer's name."""

_SHOWN = 60


def near(seen: str, known: Iterable[str]) -> str | None:
    """The known word that somebody may have meant."""
    import difflib  # noqa: PLC0415 - only whoever mistypes pays for it

    return next(iter(difflib.get_close_matches(seen, tuple(known), 1)), None)


def split(line: str) -> list[str]:
    """The words of a line, as a shell has them.

    Raises:
        WordsError: a quotation is not closed.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise WordsError("words-quotes", seen=ascii(line)[:_SHOWN], why=error) from error


def words(fault: Fault) -> str:
    """The words that ask for a fault, quoted as a shell takes them: `drop --port 7000 --proto tcp`."""
    return shlex.join(words_of(fault))


def words_of(fault: Fault) -> list[str]:
    """The words that ask for a fault; the addresses of its peer are not among them, only its name."""
    table = KIND_WORDS[fault.kind]
    match = match_of(fault) or Match()
    found = [fault.kind, *(word.form.write(getattr(fault, word.member)) for word in table.row)]
    for group, source in ((table.own, fault), (table.match, match), (table.which, match.which)):
        for word in group:
            if source is not None and word.is_option:
                found += _option(word, source)
    return found


def _option(word: Word, source: Any) -> list[str]:
    """An option, where its value is not what it is without."""
    value = getattr(source, word.member)
    default = type(source).__dataclass_fields__[word.member].default
    if value is None or value == default:
        return []
    return [word.name] if word.form is SWITCH else [word.name, word.form.write(value)]


def fault_of(typed: Sequence[str]) -> Fault:
    """The fault that words ask for.

    Args:
        typed: as after `add`: the kind, then its words and options in any order. `--port 1` or `--port=1`.

    Raises:
        WordsError: they ask for none.
        FaultError: the fault makes no sense.
    """
    row, options = _sorted(typed)
    if not row:
        raise WordsError("words-kind-missing", known=" ".join(KIND_WORDS))
    kind = row.pop(0)
    table = table_of(kind)
    values = _option_values(kind, options)
    for word in table.row:
        if not row:
            raise WordsError("words-missing", expected=word.form.expected, usage=usage(kind))
        values[word] = word.form.value(row.pop(0), word.name)
    if row:
        raise WordsError("words-extra", seen=ascii(row[0])[:_SHOWN], usage=usage(kind))
    return _made(table, values)


def _option_values(kind: str, options: Iterable[tuple[str, str | None]]) -> dict[Word, Any]:
    known = KIND_WORDS[kind].options
    values: dict[Word, Any] = {}
    for name, text in options:
        word = known.get(name)
        if word is None:
            raise _unknown("words-option", name, known, kind=kind)
        if word in values:
            raise WordsError("words-twice", name=name)
        if word.form is SWITCH:
            if text is not None:
                raise WordsError("words-switch", name=name, seen=ascii(text)[:_SHOWN])
            values[word] = True
        elif not text:
            raise WordsError("words-no-value", name=name, expected=word.form.expected)
        else:
            values[word] = word.form.value(text, name)
    return values


def _sorted(typed: Sequence[str]) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Words in their places, and options with what was given to them (None: nothing)."""
    row: list[str] = []
    options: list[tuple[str, str | None]] = []
    rest = iter(typed)
    for word in rest:
        if not word.startswith("-"):
            row.append(word)
            continue
        name, given, value = word.partition("=")
        options.append((name, value if given else next(rest, "") if name in VALUED else None))
    return row, options


def set_apart(
    typed: Sequence[str], valued: Iterable[str], switches: Iterable[str]
) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Take a command's own options out of words that hold a fault's too.

    Args:
        typed: the words.
        valued: the command's own options that have a value.
        switches: its own that have none.

    Returns:
        Its own options in their order, each with what was given to it (None: nothing), and the rest of the
        words. What stands after an option of a fault is its value, whatever it looks like.
    """
    with_value, without = frozenset(valued), frozenset(switches)
    own: list[tuple[str, str | None]] = []
    others: list[str] = []
    rest = iter(typed)
    for word in rest:
        name, given, value = word.partition("=")
        if name in with_value:
            own.append((name, value if given else next(rest, "")))
        elif name in without:
            own.append((name, value if given else None))
        else:
            others.append(word)
            if name in VALUED and not given:
                others += [value for value in (next(rest, None),) if value is not None]
    return own, others


def table_of(kind: str) -> KindWords:
    """The words of a kind.

    Raises:
        WordsError: no kind has that name.
    """
    table = KIND_WORDS.get(kind)
    if table is None:
        raise _unknown("words-kind", kind, KIND_WORDS)
    return table


def _unknown(code: str, seen: str, known: Iterable[str], **details: object) -> WordsError:
    """The error for a word that is none of the known ones, with the one that it may have been."""
    listed = tuple(known)
    said = ascii(seen)[1:-1][:_SHOWN]
    if (meant := near(seen, listed)) is not None:
        return WordsError(f"{code}-near", seen=said, near=meant, **details)
    return WordsError(code, seen=said, known=" ".join(listed) or "-", **details)


def _made(table: KindWords, values: Mapping[Word, Any]) -> Fault:
    """The fault of these values."""

    def of(group: tuple[Word, ...]) -> dict[str, Any]:
        return {word.member: values[word] for word in group if word in values}

    members = of(table.own)
    if table.match:
        chosen = of(table.which)
        members["match"] = Match(**of(table.match), which=Which(**chosen) if chosen else None)
    made: Fault = table.cls(**members)
    return made


def fault_from(given: object) -> Fault:
    """The fault that a document asks for.

    Args:
        given: a line of words, or a mapping of members: `kind`, the fault's own (`seconds`), its match's
            (`peer`), and `which`, a mapping itself. A value is what it is (`0.2`), or as it is typed
            (`200ms`); `own-port` is `own_port`.

    Raises:
        WordsError: it asks for none.
        FaultError: the fault makes no sense.
    """
    if isinstance(given, str):
        return fault_of(split(given))
    members = _members(given, "fault")
    if "kind" not in members:
        raise WordsError("words-kind-missing", known=" ".join(KIND_WORDS))
    kind = str(members.pop("kind"))
    table = table_of(kind)
    values: dict[Word, Any] = {}
    if table.which and (chosen := members.pop("which", None)) is not None:
        values |= _values(_members(chosen, "which"), table.which, f"{kind}: which")
    if misplaced := next((word.member for word in table.which if _is_misplaced(word, members, table)), None):
        raise WordsError("words-which", name=misplaced)
    values |= _values(members, (*table.own, *table.match), kind)
    for word in table.row:
        if word not in values:
            raise WordsError("words-member-missing", kind=kind, name=word.member, expected=word.form.expected)
    return _made(table, values)


def _members(given: object, where: str) -> dict[str, object]:
    if not isinstance(given, Mapping):
        raise WordsError("words-mapping", where=where, seen=ascii(given)[:_SHOWN])
    return {str(name).replace("-", "_"): value for name, value in given.items()}


def _is_misplaced(word: Word, members: Mapping[str, object], table: KindWords) -> bool:
    """Whether a member of `which` stands beside it."""
    return word.member in members and all(word.member != each.member for each in table.own)


def _values(members: Mapping[str, object], group: tuple[Word, ...], where: str) -> dict[Word, Any]:
    known = {word.member: word for word in group}
    found: dict[Word, Any] = {}
    for name, value in members.items():
        if name not in known:
            raise _unknown("words-member", name, known, kind=where)
        if value is not None:  # as left out
            found[known[name]] = known[name].form.taken(value, f"{where}: {name}")
    return found


def resolved(fault: Fault, resolve: Resolve) -> Fault:
    """The fault with the addresses of its peer.

    Args:
        fault: as it was typed.
        resolve: all addresses of a name; it raises what its caller understands.

    Raises:
        FaultError: it makes no sense with those addresses.
    """
    match = match_of(fault)
    if match is None or match.peer is None or match.is_resolved:
        return fault
    return with_match(fault, dataclasses.replace(match, addresses=resolve(match.peer)))


__all__ = [
    "KIND_WORDS",
    "SWITCHES",
    "VALUED",
    "FaultError",
    "KindWords",
    "Resolve",
    "Word",
    "WordsError",
    "duration",
    "fault_from",
    "fault_of",
    "near",
    "option_names",
    "rate",
    "resolved",
    "set_apart",
    "size",
    "split",
    "table_of",
    "usage",
    "words",
    "words_of",
]
