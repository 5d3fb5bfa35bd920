"""Findings, shown: a line each for people, one object for programs."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

from socketlab.doctor.verdicts import Backend, Finding, State
from socketlab.messages import say

MARKS: Final[dict[State, str]] = {"works": "ok", "missing": "NO", "spare": "--"}
_INDENT: Final = " " * 5
_NAME_WIDTH: Final = 30


def as_plain(findings: Sequence[Finding], backends: Sequence[Backend]) -> dict[str, Any]:
    """For JSON: `usable`, the backends to make labs on, and `findings`."""
    return {"usable": list(backends), "findings": [asdict(finding) for finding in findings]}


def as_text(findings: Sequence[Finding], backends: Sequence[Backend], width: int) -> Iterator[str]:
    """Lines, grouped; what to do stands below what it is for.

    Args:
        findings: in their order.
        backends: that are usable.
        width: columns that a line may take.
    """
    for group, members in groupby(findings, key=lambda finding: finding.group):
        yield say(f"doctor.group.{group}")
        for finding in members:
            yield from _lines(finding, width)
        yield ""
    names = ", ".join(backends)
    yield from _wrapped(say("doctor.usable", names=names) if backends else say("doctor.unusable"), "", width)


def _lines(finding: Finding, width: int) -> Iterator[str]:
    name = say(f"doctor.name.{finding.name}")
    head = f" {MARKS[finding.state]}  {name.ljust(_NAME_WIDTH)}"
    if len(head) + 1 + len(finding.seen) <= width:
        yield f"{head} {finding.seen}".rstrip()
    else:
        yield head.rstrip()
        yield from _wrapped(finding.seen, _INDENT, width)
    for line in finding.advice.splitlines():
        yield from _wrapped(line.strip(), _INDENT, width)


def _wrapped(text: str, indent: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
