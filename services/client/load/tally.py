"""What is counted in a run."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from services.client.load.hdr import Histogram

OWN_TIMER: Final = "timeout"
"""What a call gave that took longer than we wait."""
EOF: Final = "EOF"
"""What `recv` gave when the peer had closed its side."""
MISMATCH: Final = "mismatch"
"""What `recv` gave that is not the answer to what was asked."""

_OF_CONNECTIONS: Final = frozenset({"socket", "connect", "handshake"})
"""Calls that open a connection."""

_KINDS: Final = 100
"""Different errors that are counted apart."""


@dataclass(slots=True)
class Tally:
    """The counts of a run.

    Every request that was begun is in the end one of: answered, mismatched, timed out, cut off, or, when the
    run was stopped before, unfinished.

    Args:
        latency: of answered requests, from when each was sent (in an open loop: was due) to its whole answer.
        lag: in an open loop, by how much a request was sent later than it could have been: our own lateness.
        begun: requests sent, or handed to the kernel to be sent.
        answered: right, and in time.
        mismatched: answered, and wrongly.
        timed_out: no answer in time; of datagrams: lost.
        cut: their connection ended before the answer.
        unsent: due by the end of an open loop, and never sent.
        waited: in an open loop, due when every connection was busy, so sent later.
        late: datagrams that answer a request after it was given up.
        duplicates: datagrams that answer a request once more.
        opened: connections.
        errors: how often which call gave what: `("connect", "ECONNREFUSED")`.
    """

    latency: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    begun: int = 0
    answered: int = 0
    mismatched: int = 0
    timed_out: int = 0
    cut: int = 0
    unsent: int = 0
    waited: int = 0
    late: int = 0
    duplicates: int = 0
    opened: int = 0
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)

    def answer(self, ns: int, times: int = 1) -> None:
        """Count requests that were answered, and after how long, in ns."""
        self.answered += times
        self.latency.record(ns, times)

    def mismatch(self, what: str) -> None:
        """Count a request that was answered wrongly, and what was wrong, in a word."""
        self.mismatched += 1
        self.fail("recv", what)

    def fail(self, call: str, what: str) -> None:
        """Count a call that failed, and what it gave; of a peer's many different words no more than a few."""
        if (call, what) not in self.errors and len(self.errors) >= _KINDS:
            what = "other"
        self.errors[call, what] += 1

    def begin(self) -> None:
        """Begin to count: forget all about requests; what became of connections is kept."""
        self.latency.clear()
        self.lag.clear()
        self.begun = self.answered = self.mismatched = self.timed_out = self.cut = 0
        self.unsent = self.waited = self.late = self.duplicates = 0
        for key in [key for key in self.errors if key[0] not in _OF_CONNECTIONS]:
            del self.errors[key]

    @property
    def unfinished(self) -> int:
        """Requests that nothing is known of."""
        return self.begun - self.answered - self.mismatched - self.timed_out - self.cut

    @property
    def refused(self) -> int:
        """Connections that were refused."""
        return self.errors["connect", "ECONNREFUSED"]

    @property
    def failed(self) -> int:
        """Connections that could not be opened for any other reason."""
        return sum(n for (call, _), n in self.errors.items() if call in _OF_CONNECTIONS) - self.refused

    @property
    def lost(self) -> int:
        """Requests that were not answered rightly and in time."""
        return self.mismatched + self.timed_out + self.cut

    @property
    def all_well(self) -> bool:
        """Whether everything was answered, and nothing went wrong on the way."""
        return self.answered > 0 and not self.lost and not self.unsent and not self.errors
