"""What a plan looks at, as sentences: `client tcp server:7000 -> ECONNREFUSED within 1s`.

Theory of operation
    A sentence begins with a call: which host calls, by what (`tcp`, `udp`; `tcp6`, `udp6` over IPv6), and
    whom. With `->` it is an expectation, and says what the call gives:

        connected         the handshake is done
        echo              what was sent came back
        garbled           something else came back
        closed            the peer ended the connection without an answer
        timeout 2s        nobody answers the SYN for so long
        silence 2s        connected (of udp: sent), and no answer for so long
        ECONNREFUSED      any errno, of any of the calls

    `within 1s` and `after 200ms` bound how long that takes. Without `->` the call is made again and again,
    `every 500ms`, and the result shows what became of it over time. All of it is pure.
"""

import errno
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from socketlab.errors import SpecError
from socketlab.wire.forms import TIME, duration
from socketlab.wire.match import Family

Transport: TypeAlias = Literal["tcp", "udp"]
Stage: TypeAlias = Literal["connect", "send", "recv"]

PLAIN: Final = ("connected", "echo", "garbled", "closed")
QUIET: Final = ("timeout", "silence")
_OF_TCP: Final = frozenset({"connected", "closed", "timeout"})
_PATIENCE: Final = 5.0
"""Seconds of a call whose sentence says none."""
_GRACE: Final = 1.0
"""Seconds beyond `within`, so that what comes late is seen, and not only missed."""
_EVERY: Final = 1.0
_QUIET: Final = 1.0
_PROTOCOLS: Final[dict[str, tuple[Transport, Family]]] = {
    "tcp": ("tcp", "ipv4"),
    "udp": ("udp", "ipv4"),
    "tcp6": ("tcp", "ipv6"),
    "udp6": ("udp", "ipv6"),
}
_WHERE: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+)):(?P<port>\d{1,5})", re.ASCII
)
_PORT_MAX: Final = 65535
_ERRNOS: Final = frozenset(errno.errorcode.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls whom.

    Args:
        host: the caller.
        transport: `tcp` or `udp`.
        family: `ipv4` or `ipv6`.
        target: a host of the lab, or an address.
        port: of the target.
    """

    host: str
    transport: Transport
    family: Family
    target: str
    port: int

    def __str__(self) -> str:
        six = "6" if self.family == "ipv6" else ""
        target = f"[{self.target}]" if ":" in self.target else self.target
        return f"{self.host} {self.transport}{six} {target}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a call is to give.

    Args:
        call: the call.
        outcome: one of `PLAIN` and `QUIET`, or the name of an errno.
        quiet: seconds without an answer, of `timeout` and `silence`; else 0.
        within: seconds that it may take at most; None: as long as the call's patience.
        after: seconds that it must take at least.
    """

    call: Call
    outcome: str
    quiet: float = 0.0
    within: float | None = None
    after: float | None = None

    def __post_init__(self) -> None:
        if self.call.transport == "udp" and self.outcome in _OF_TCP:
            raise SpecError("plan.of-tcp", seen=self.outcome)
        if self.quiet and (self.within is not None or self.after is not None):
            raise SpecError("plan.quiet", seen=self.outcome)
        if self.within is not None and self.after is not None and self.after >= self.within:
            raise SpecError("plan.never", after=f"{self.after:g}", within=f"{self.within:g}")

    @property
    def patience(self) -> float:
        """Seconds after which the call is given up."""
        if self.outcome in QUIET:
            return self.quiet
        return _PATIENCE + (self.after or 0.0) if self.within is None else self.within + _GRACE

    def __str__(self) -> str:
        pieces = [f"{self.call} -> {self.outcome}"]
        if self.quiet:
            pieces.append(TIME.write(self.quiet))
        if self.after is not None:
            pieces.append(f"after {TIME.write(self.after)}")
        if self.within is not None:
            pieces.append(f"within {TIME.write(self.within)}")
        return " ".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A call that is made again and again.

    Args:
        call: the call.
        every: seconds from one to the next; one that takes longer delays the next.
        within: seconds after which a call is given up.
    """

    call: Call
    every: float = _EVERY
    within: float = _EVERY

    def __str__(self) -> str:
        every, within = TIME.write(self.every), TIME.write(self.within)
        return f"{self.call} every {every} within {within}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a call gave.

    Args:
        outcome: as in an expectation.
        seconds: how long it took.
        stage: the call that gave it.
    """

    outcome: str
    seconds: float
    stage: Stage


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a call gave what was expected.

    Args:
        ok: it did.
        why: what differs: `outcome`, `early`, `late`; empty: nothing does.
    """

    ok: bool
    why: Literal["", "outcome", "early", "late"] = ""


def judge(expected: Expectation, seen: Seen) -> Judged:
    """Hold what a call gave against what was expected of it."""
    if seen.outcome != expected.outcome:
        return Judged(ok=False, why="outcome")
    if expected.after is not None and seen.seconds < expected.after:
        return Judged(ok=False, why="early")
    if expected.within is not None and seen.seconds > expected.within:
        return Judged(ok=False, why="late")
    return Judged(ok=True)


def expectation(text: str) -> Expectation:
    """The expectation that a sentence means.

    Raises:
        SpecError: it is none; the sentence says what was expected, and where.
    """
    before, arrow, after = text.partition("->")
    if not arrow:
        raise SpecError("plan.no-arrow", seen=ascii(text)[:80])
    call = _call(before, text)
    words = _Words(after, text)
    outcome = words.take("connected | echo | closed | garbled | timeout | silence | ECONNREFUSED ...")
    outcome = outcome.upper() if outcome.upper() in _ERRNOS else outcome
    if outcome not in (*PLAIN, *QUIET) and outcome not in _ERRNOS:
        known = ", ".join((*PLAIN, *QUIET))
        raise SpecError("plan.outcome", seen=ascii(outcome)[:40], known=known)
    quiet = 0.0
    if outcome in QUIET:
        quiet = words.seconds() if words.has_time() else _QUIET
    bounds = words.bounds("within", "after")
    return Expectation(call=call, outcome=outcome, quiet=quiet, **bounds)


def probe(text: str) -> Probe:
    """The probe that a sentence means.

    Raises:
        SpecError: it is none.
    """
    if "->" in text:
        raise SpecError("plan.probe-arrow", seen=ascii(text)[:80])
    pieces = text.split()
    bounds = _Words(" ".join(pieces[3:]), text).bounds("every", "within")
    every = bounds.get("every", _EVERY)
    return Probe(
        call=_call(" ".join(pieces[:3]), text), every=every, within=bounds.get("within", max(every, _EVERY))
    )


def _call(text: str, whole: str) -> Call:
    words = text.split()
    if len(words) != 3 or words[1] not in _PROTOCOLS:  # noqa: PLR2004 - who, by what, whom
        raise SpecError("plan.call", seen=ascii(whole)[:80], known=", ".join(_PROTOCOLS))
    host, protocol, where = words
    found = _WHERE.fullmatch(where)
    if found is None or not 1 <= int(found["port"]) <= _PORT_MAX:
        raise SpecError("plan.where", seen=ascii(where)[:60])
    transport, family = _PROTOCOLS[protocol]
    target = found["name"] or found["six"]
    try:
        version = ipaddress.ip_address(target).version
    except ValueError:
        if found["six"]:
            raise SpecError("plan.where", seen=ascii(where)[:60]) from None
    else:
        if f"ipv{version}" != family and protocol[-1] == "6":
            raise SpecError("plan.where-family", seen=ascii(where)[:60], protocol=protocol)
        family = "ipv4" if version == 4 else "ipv6"  # noqa: PLR2004 - the version itself
    return Call(host=host, transport=transport, family=family, target=target, port=int(found["port"]))


class _Words:
    """The rest of a sentence, word by word."""

    def __init__(self, text: str, whole: str) -> None:
        self._words: list[str] = text.split()
        self._whole = ascii(whole)[:80]

    def take(self, expected: str) -> str:
        if not self._words:
            raise SpecError("plan.missing", expected=expected, seen=self._whole)
        return self._words.pop(0)

    def has_time(self) -> bool:
        return bool(self._words) and self._words[0][:1].isdigit()

    def seconds(self) -> float:
        text = self.take("1s")
        found = duration(text)
        if found <= 0:
            raise SpecError("plan.time", seen=ascii(text)[:40])
        return found

    def bounds(self, *names: str) -> dict[str, float]:
        """`within 1s after 200ms`, in any order, each once."""
        return dict(self._bounds(names))

    def _bounds(self, names: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        seen: set[str] = set()
        while self._words:
            word = self._words.pop(0)
            if word not in names or word in seen:
                expected = " | ".join(name for name in names if name not in seen) or "-"
                raise SpecError("plan.word", word=ascii(word)[:40], expected=expected, seen=self._whole)
            seen.add(word)
            yield word, self.seconds()
