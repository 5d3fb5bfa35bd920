"""What each fault does to a socket call, as it was measured: the data of `effects.json`.

`./scripts/effects --write` measures all of it on both backends and writes the file, and the pages of the docs
from it; a test measures again and compares. Nothing here is typed by hand.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from socketlab.wire.match import Family

Column: TypeAlias = Literal[
    "tcp-connect", "tcp-connect-timeout", "tcp-established", "udp-connected", "udp-unconnected"
]
When: TypeAlias = Literal["immediate", "at the second SYN", "after a timer", "never by itself"]

COLUMNS: Final[tuple[Column, ...]] = get_args(Column)
FAMILIES: Final[tuple[Family, ...]] = ("ipv4", "ipv6")
FILE: Final = Path(__file__).with_name("effects.json")
VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a call gave.

    Args:
        outcome: `connected`, `echo`, `other bytes`, or the exception's class.
        errno: its symbolic name; None: nothing was raised, or a timer of the program's own ran out.
        when: `immediate`; `at the second SYN` (1 s); `after a timer`: of the kernel, or of the fault itself;
            `never by itself`: until a timer of the program's own ran out.
        seconds: of that timer; None: there is none.
    """

    outcome: str
    errno: str | None
    when: When
    seconds: float | None = None

    def __str__(self) -> str:
        if self.when == "never by itself":
            return f"{self.outcome} (own timer)"
        named = f"{self.outcome} {self.errno}" if self.errno else self.outcome
        return f"{named}, after {self.seconds:g} s" if self.seconds is not None else f"{named}, {self.when}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault, felt in one family.

    Args:
        fault: in the words of `fault add`; `{family}` and `{peer}` are the family and the peer's address.
        on: the host that it is on; `client` makes the calls, `server` answers.
        family: of the calls.
        effects: what each kind of call gave.
    """

    fault: str
    on: str
    family: Family
    effects: dict[Column, Effect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """All that was measured.

    Args:
        measured: on what: kernel, Python, backends.
        sysctls: of the hosts, which shorten the kernel's timers.
        timers: seconds of the program's own timers, by the kind of call.
        rows: in the order of the cases.
    """

    measured: dict[str, Any]
    sysctls: dict[str, int]
    timers: dict[str, float]
    rows: tuple[Row, ...]

    def row(self, fault: str, on: str, family: Family) -> Row | None:
        """One row; None: that was not measured."""
        wanted = fault, on, family
        return next((row for row in self.rows if (row.fault, row.on, row.family) == wanted), None)

    def of(self, kind: str) -> tuple[Row, ...]:
        """The rows of one kind of fault, `drop` or `reject icmp-host`."""
        return tuple(row for row in self.rows if f"{row.fault} ".startswith(f"{kind} "))


def to_plain(effects: Effects) -> dict[str, Any]:
    """As `json` takes it."""
    rows = [
        {
            "fault": row.fault,
            "on": row.on,
            "family": row.family,
            "effects": {
                column: {
                    "outcome": effect.outcome,
                    "errno": effect.errno,
                    "when": effect.when,
                    "seconds": effect.seconds,
                }
                for column, effect in row.effects.items()
            },
        }
        for row in effects.rows
    ]
    return {
        "version": VERSION,
        "measured": effects.measured,
        "sysctls": effects.sysctls,
        "timers": effects.timers,
        "rows": rows,
    }


def from_plain(plain: dict[str, Any]) -> Effects:
    """What `to_plain` made plain."""
    rows = tuple(
        Row(
            fault=each["fault"],
            on=each["on"],
            family=each["family"],
            effects={column: Effect(**effect) for column, effect in each["effects"].items()},
        )
        for each in plain["rows"]
    )
    return Effects(measured=plain["measured"], sysctls=plain["sysctls"], timers=plain["timers"], rows=rows)


@cache
def effects() -> Effects:
    """What this release has measured."""
    return from_plain(json.loads(FILE.read_text(encoding="utf-8")))
