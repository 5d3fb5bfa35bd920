"""What the emulator has done, packet by packet: bounded, and it knows what it has forgotten.

Writing costs a tuple; words are made when somebody reads.
"""

from collections import deque
from itertools import islice
from typing import NamedTuple, TypeAlias

from services.agent.emulator.flows import flow_words, summary
from services.agent.emulator.packet import Flow, Packet
from socketlab.wire.lease import LogEntry

MOST_ENTRIES = 50_000
_Entry: TypeAlias = tuple[int, str, Flow | None, int, str, str | float, int, int, int]
"""Time, lease, flow, ordinal, action, more of it (seconds are a float), flags, sequence number, length."""


class Page(NamedTuple):
    """A part of the log.

    Args:
        entries: in their order.
        missing: entries that were asked for, and that have been forgotten.
        last: number of the newest entry that there is.
    """

    entries: tuple[LogEntry, ...]
    missing: int
    last: int


class Log:
    """The newest entries.

    Args:
        most: so many at most.
    """

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._entries: deque[_Entry] = deque()
        self._most = most
        self._forgotten: dict[str, int] = {}
        self.last = 0
        """Number of the newest entry, and so how many there ever were."""

    def write(
        self, now: int, lease: str, packet: Packet | None, ordinal: int, action: str, more: str | float = ""
    ) -> None:
        """Note what was done with a packet.

        Args:
            now: when, nanoseconds.
            lease: by which fault.
            packet: the packet; None: nobody has seen it.
            ordinal: its number among those that the fault's match takes; 0: it has none.
            action: as `LogEntry` has it.
            more: of the action, before the packet's own summary; a number is of seconds.
        """
        entries = self._entries
        if self.last >= self._most:
            oldest = entries.popleft()[1]
            self._forgotten[oldest] = self._forgotten.get(oldest, 0) + 1
        self.last += 1
        if packet is None:
            entries.append((now, lease, None, ordinal, action, more, 0, 0, 0))
            return
        length = packet.end - packet.payload
        entries.append((now, lease, packet.flow, ordinal, action, more, packet.flags, packet.seq, length))

    def page(self, lease: str | None = None, after: int = 0, most: int = 500) -> Page:
        """A part of the log, the oldest first.

        Args:
            lease: of one fault; None: of all.
            after: only entries with a higher number.
            most: so many at most.
        """
        oldest = self.last - len(self._entries) + 1
        missing = max(0, oldest - 1 - after)
        if lease is not None:
            missing = min(missing, self._forgotten.get(lease, 0))
        start = max(0, after + 1 - oldest)
        numbered = zip(range(oldest + start, self.last + 1), self._from(start), strict=True)
        asked = (pair for pair in numbered if lease is None or pair[1][1] == lease)
        return Page(tuple(_entry(number, entry) for number, entry in islice(asked, most)), missing, self.last)

    def _from(self, start: int) -> "deque[_Entry] | islice[_Entry] | list[_Entry]":
        """The entries from one on, without walking over all of them for the newest."""
        count = len(self._entries)
        if start < count // 2:
            return islice(self._entries, start, None)
        newest = list(islice(reversed(self._entries), max(0, count - start)))
        newest.reverse()
        return newest


def _entry(number: int, entry: _Entry) -> LogEntry:
    at, lease, flow, ordinal, action, more, flags, seq, length = entry
    words = f"{more:.4f} s" if isinstance(more, float) else more
    about = "" if flow is None else summary(flow, flags, seq, length)
    return LogEntry(
        number=number,
        at_ns=at,
        lease=lease,
        flow="" if flow is None else flow_words(flow),
        ordinal=ordinal,
        action=action,
        detail=", ".join(part for part in (words, about) if part),
    )
