"""The command line of `scripts/bench`, read."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.machine.bench.cases import CASES, Case, find
from scripts.machine.bench.contenders import CONTENDERS, REFERENCES, Contender
from scripts.machine.command import Options
from scripts.machine.errors import UsageError

SUITE: Final = "servers"
SUITES: Final = (SUITE, "hosts", "faults")
FLAGS: Final = ("--quick", "--strict", "--two-cores")
CALLED_FROM: Final = "SOCKETLAB_CALLED_FROM"
"""Variable with the user's folder: scripts/with_python leaves it for the project's root."""
VALUED: Final = ("--figure", "--json", "--only", "--rounds", "--seconds", "--styles")

ROUNDS: Final = 4
SECONDS: Final = 0.5
BUDGET: Final = 540.0
"""Seconds. No round is begun that would end later: a slow machine makes fewer rounds, never fewer cases."""
QUICK_ROUNDS: Final = 2
QUICK_SECONDS: Final = 0.12
QUICK_BUDGET: Final = 80.0
QUICK_LEAVES_OUT: Final = frozenset({"growth"})
_ROUNDS_MAX: Final = 1000
_SECONDS_MIN: Final = 0.02
_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure and what to do with it.

    Args:
        cases: in order.
        contenders: in order; the references are among them.
        rounds: at most so many.
        seconds: of measuring, each run.
        budget: seconds after which no further round is begun; None: the rounds are the user's own choice.
        two_cores: the generator has a core of its own.
        strict: a missed target is a failure.
        json: where the figures are written; None: nowhere.
        figure: the same for the picture.
    """

    cases: tuple[Case, ...]
    contenders: tuple[Contender, ...]
    rounds: int
    seconds: float
    budget: float | None
    two_cores: bool
    strict: bool
    json: Path | None
    figure: Path | None


def read(options: Options) -> Plan:
    """Make a plan of a command line.

    Raises:
        UsageError: it makes no sense.
    """
    suites, given = sort(options.rest, FLAGS, VALUED)
    if suites != [SUITE]:
        raise _no_suite(suites)
    quick = "--quick" in options.flags
    rounds = number_of(given, "--rounds", int, 1, _ROUNDS_MAX)
    seconds = number_of(given, "--seconds", float, _SECONDS_MIN, _SECONDS_MAX)
    own_choice = rounds is not None or seconds is not None
    return Plan(
        cases=_cases(given.get("--only"), leave_out=QUICK_LEAVES_OUT if quick else frozenset()),
        contenders=_contenders(given.get("--styles")),
        rounds=int(rounds or (QUICK_ROUNDS if quick else ROUNDS)),
        seconds=seconds or (QUICK_SECONDS if quick else SECONDS),
        budget=None if own_choice else QUICK_BUDGET if quick else BUDGET,
        two_cores="--two-cores" in options.flags,
        strict="--strict" in options.flags,
        json=file_of(given, "--json"),
        figure=file_of(given, "--figure"),
    )


def suite(options: Options) -> str:
    """What a command line asks to be measured, one of `SUITES`.

    Raises:
        UsageError: none of them.
    """
    first = options.rest[0] if options.rest else "-"
    if first not in SUITES:
        raise _no_suite([first])
    return first


def _no_suite(seen: Sequence[str]) -> UsageError:
    return UsageError("machine.bench-suite", seen=" ".join(seen) or "-", expected=" | ".join(SUITES))


def sort(
    arguments: Sequence[str], flags: Sequence[str], valued: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """The words before the first option, and each option's words.

    Args:
        arguments: of the command line.
        flags: options without a value, which have been taken out.
        valued: options with one or more.

    Raises:
        UsageError: another option, or one without its value.
    """
    words: list[str] = []
    given: dict[str, list[str]] = {}
    current = words
    for argument in arguments:
        if not argument.startswith("-"):
            current.append(argument)
        elif argument in valued:
            current = given.setdefault(argument, [])
        else:
            expected = " ".join(sorted((*flags, *valued, "--debug", "--help")))
            raise UsageError("machine.option", seen=argument, expected=expected)
    for option, values in given.items():
        if not values:
            raise UsageError("machine.bench-value", option=option)
    return words, given


def number_of(
    given: dict[str, list[str]], option: str, kind: Callable[[str], float], least: float, most: float
) -> float | None:
    """The number that an option was given; None: it was not given.

    Raises:
        UsageError: it is none, or outside what makes sense.
    """
    if option not in given:
        return None
    text = given[option][-1]
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or len(given[option]) > 1 or not least <= value <= most:
        seen = " ".join(given[option])
        raise UsageError("machine.bench-number", option=option, least=least, most=most, seen=seen)
    return value


def file_of(given: dict[str, list[str]], option: str) -> Path | None:
    """A file to write, from the user's folder; said now, not after ten minutes, if it cannot be."""
    if option not in given:
        return None
    file = Path(os.environ.get(CALLED_FROM, ".")) / given[option][-1]
    if len(given[option]) > 1 or file.is_dir() or not os.access(file.parent, os.W_OK):
        raise UsageError("machine.bench-file", option=option, seen=" ".join(given[option]))
    return file


def _cases(words: list[str] | None, leave_out: frozenset[str]) -> tuple[Case, ...]:
    if words is None:
        return tuple(case for case in CASES if case.name not in leave_out)
    chosen = {case.name for word in words for case in _meant(word)}
    return tuple(case for case in CASES if case.name in chosen)


def _meant(word: str) -> Iterator[Case]:
    if not (found := find(word)):
        expected = " ".join(case.name for case in CASES)
        raise UsageError("machine.bench-choice", option="--only", seen=word, expected=expected)
    yield from found


def _contenders(words: list[str] | None) -> tuple[Contender, ...]:
    if words is None:
        return CONTENDERS
    names = [contender.name for contender in CONTENDERS]
    for word in words:
        if word not in names:
            raise UsageError("machine.bench-choice", option="--styles", seen=word, expected=" ".join(names))
    return tuple(
        contender for contender in CONTENDERS if contender.name in words or contender.name in REFERENCES
    )
