"""Watches: clients that are told of things as they happen.

Theory of operation
    Nothing is made for a client that cannot take it. A watch notes what has changed, and makes its next
    message when its client has room for one: what leases and held packets are then, the next page of a log
    that is bounded and counts what it had to forget, the frames that have been read so far. Frames are read
    only as far as there is room for them, and then the kernel loses them, and counts. So a client that does
    not read costs a few messages, loses frames and is told how many, and holds up nobody.

    Nobody tells of counters in the kernel: while somebody watches leases they are read twice a second. All
    else is told by an event. Log, held packets and frames wait for more of their kind for some milliseconds.

    `Unwatch` is answered when all that had happened before it has been told.
"""

import base64
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from selectors import EVENT_READ, BaseSelector
from typing import Protocol

from services.agent.capture import Capture
from services.messages import ServiceError
from socketlab.wire.lease import HeldPacket, Lease, LogEntry
from socketlab.wire.message import (
    VERSION,
    Captured,
    Frame,
    HeldPackets,
    Leases,
    LogPage,
    Message,
    Unwatch,
    Watch,
    Watching,
)

MOST_WATCHES = 8
"""Of one client."""
COUNTS_SECONDS = 0.5
TOGETHER_SECONDS = 0.01
_FRAMES_AT_ONCE = 64
_FRAMES_WAITING = 512
_FRAME_BYTES = 32 * 1024
"""Of the frames of one message: its line stays below what any reader takes."""
_ENTRIES = 200


class PacketLog(Protocol):
    """What watches see of the emulator."""

    def log(self, lease: str | None, after: int, most: int) -> tuple[tuple[LogEntry, ...], int, int]:
        """Entries, how many of those asked for are forgotten, and the newest one's number."""

    def held(self, lease: str | None) -> tuple[HeldPacket, ...]:
        """The packets that wait for a word."""


Counted = tuple[str, int | None, int | None, int]


@dataclass(slots=True)
class _Watch:
    """One watch of one client.

    Args:
        asked: what is watched.
        capture: of packets.
        changed: whether a fault has come or gone since leases were told.
        counts_at: when counters are looked at next, monotonic seconds.
        counted: what they were when they were told.
        moved: whether the emulator may have news.
        news_at: not before, monotonic seconds.
        logged: number of the newest entry that has been told.
        held: the packets that waited when it was told.
        frames: read, and not told.
        lost: frames that nobody took, not told.
        listening: whether the selector waits for frames.
        frames_at: when it does so again, monotonic seconds.
        ending: id of the `Unwatch`.
        until_ns: frames up to this time belong to it then.
    """

    asked: Watch
    capture: Capture | None
    changed: bool = True
    counts_at: float = 0.0
    counted: tuple[Counted, ...] = ()
    moved: bool = True
    news_at: float = 0.0
    logged: int = 0
    held: tuple[int, ...] = ()
    frames: deque[Frame] = field(default_factory=deque)
    lost: int = 0
    listening: bool = False
    frames_at: float = 0.0
    ending: int | None = None
    until_ns: int = 0


class Watches:
    """All watches of all clients.

    Args:
        selector: the loop's; its keys' data are callables without arguments.
        leases: the faults in force.
        packets: the emulator.
        encode: a message as a line.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        selector: BaseSelector,
        leases: Callable[[], tuple[Lease, ...]],
        packets: PacketLog,
        encode: Callable[[Message], bytes],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._selector = selector
        self._leases = leases
        self._packets = packets
        self._encode = encode
        self._clock = clock
        self._watches: dict[int, dict[int, _Watch]] = {}

    def watch(self, client: int, asked: Watch) -> Watching:
        """Begin to tell a client.

        Raises:
            ServiceError: it watches too much already, or under this id, or nothing; or there is no capture.
            FaultError: an address that is none.
        """
        own = self._watches.get(client, {})
        if asked.id in own or len(own) >= MOST_WATCHES:
            raise ServiceError("agent.watches", limit=MOST_WATCHES, seen=asked.id)
        if not (asked.leases or asked.log or asked.held or asked.capture):
            raise ServiceError("agent.watch-nothing")
        made = _Watch(asked, Capture(asked.networks, asked.snap) if asked.capture else None)
        if asked.log:
            made.logged = self._packets.log(None, 0, 0)[2]
        self._watches.setdefault(client, {})[asked.id] = made
        self._listen(made)
        return Watching(asked.id)

    def unwatch(self, client: int, asked: Unwatch) -> None:
        """Tell a client what is left, then that this was all.

        Raises:
            ServiceError: it has no such watch.
        """
        watch = self._watches.get(client, {}).get(asked.watch)
        if watch is None or watch.ending is not None:
            known = " ".join(map(str, self._watches.get(client, {}))) or "-"
            raise ServiceError("agent.unknown-watch", seen=asked.watch, known=known)
        watch.ending = asked.id
        watch.until_ns = time.monotonic_ns()
        watch.moved, watch.changed = True, watch.changed or self._has_counted(watch)
        self._listen(watch)

    def gone(self, client: int) -> None:
        """Forget a client."""
        for watch in self._watches.pop(client, {}).values():
            self._close(watch)

    def close(self) -> None:
        """Forget everybody."""
        for client in list(self._watches):
            self.gone(client)

    def _close(self, watch: _Watch) -> None:
        if watch.capture is not None:
            self._deafen(watch)
            watch.capture.close()

    def leases_changed(self) -> None:
        """A fault has come or gone."""
        for watch in self._all():
            watch.changed = watch.moved = True

    def packets_moved(self) -> None:
        """The emulator has done something."""
        for watch in self._all():
            watch.moved = True

    def _all(self) -> list[_Watch]:
        return [watch for own in self._watches.values() for watch in own.values()]

    # ---- frames

    def _listen(self, watch: _Watch) -> None:
        if watch.capture is not None and not watch.listening:
            watch.listening = True
            self._selector.register(watch.capture, EVENT_READ, lambda: self._take(watch))

    def _deafen(self, watch: _Watch) -> None:
        if watch.capture is not None and watch.listening:
            watch.listening = False
            self._selector.unregister(watch.capture)

    def _take(self, watch: _Watch) -> None:
        """Read some frames; the next ones wait in the kernel until there is room, and for each other."""
        if watch.capture is None or not watch.listening:  # forgotten in this very turn of the loop
            return
        read = watch.capture.read(_FRAMES_AT_ONCE)
        watch.frames += read
        watch.lost += watch.capture.lost()
        if watch.ending is None and (len(read) < _FRAMES_AT_ONCE or len(watch.frames) >= _FRAMES_WAITING):
            self._deafen(watch)
            watch.frames_at = self._clock() + TOGETHER_SECONDS

    def _captured(self, watch: _Watch) -> bytes | None:
        """The next message with frames, if there is one."""
        if watch.capture is None:
            return None
        if watch.ending is not None and len(watch.frames) < _FRAMES_AT_ONCE:
            watch.frames += watch.capture.read(_FRAMES_AT_ONCE)
            watch.lost += watch.capture.lost()
        frames: list[Frame] = []
        size = 0
        while watch.frames and len(frames) < _FRAMES_AT_ONCE and size < _FRAME_BYTES:
            frame = watch.frames.popleft()
            if watch.ending is not None and frame.at_ns > watch.until_ns:
                watch.frames.clear()
                break
            frames.append(frame)
            size += len(frame.data)
        if not frames and not watch.lost:
            return None
        lost, watch.lost = watch.lost, 0
        return line_of(Captured(watch.asked.id, tuple(frames), lost))

    # ---- everything else

    def next_line(self, client: int) -> bytes | None:
        """The next line for a client that has room for one; None: there is no news for it."""
        own = self._watches.get(client)
        if not own:
            return None
        now = self._clock()
        for number, watch in own.items():
            line = self._next_of(watch, now)
            if line is not None:
                return line
            if watch.ending is not None:
                del own[number]
                self._close(watch)
                return self._encode(Watching(watch.ending))
        return None

    def _next_of(self, watch: _Watch, now: float) -> bytes | None:
        asked = watch.asked
        if asked.leases and (watch.changed or (now >= watch.counts_at and self._has_counted(watch))):
            leases = self._leases()
            watch.changed = False
            watch.counted = tuple(map(_counted, leases))
            return self._encode(Leases(asked.id, leases))
        if watch.moved and (now >= watch.news_at or watch.ending is not None):
            line = self._news(watch, now)
            if line is not None:
                return line
        if not watch.listening and now >= watch.frames_at and len(watch.frames) < _FRAMES_WAITING:
            self._listen(watch)
        return self._captured(watch)

    def _has_counted(self, watch: _Watch) -> bool:
        """Whether a counter has moved since it was told."""
        if not watch.asked.leases:
            return False
        watch.counts_at = self._clock() + COUNTS_SECONDS
        return tuple(map(_counted, self._leases())) != watch.counted

    def _news(self, watch: _Watch, now: float) -> bytes | None:
        """What the emulator has done since it was told last."""
        asked = watch.asked
        if asked.log:
            entries, missing, last = self._packets.log(None, watch.logged, _ENTRIES)
            if entries or missing:
                watch.logged = entries[-1].number if entries else last
                return self._encode(LogPage(asked.id, entries, missing, last))
        watch.moved = False
        watch.news_at = now + TOGETHER_SECONDS
        if asked.held:
            packets = self._packets.held(None)
            numbers = tuple(packet.number for packet in packets)
            if numbers != watch.held:
                watch.held = numbers
                return self._encode(HeldPackets(asked.id, packets))
        return None

    def next_due(self, client: int) -> float | None:
        """When a client may be told news that no descriptor tells of, by the clock; None: never."""
        due: list[float] = []
        for watch in self._watches.get(client, {}).values():
            if watch.asked.leases:
                due.append(watch.counts_at)
            if watch.moved and (watch.asked.log or watch.asked.held):
                due.append(watch.news_at)
            if watch.capture is not None and not watch.listening and len(watch.frames) < _FRAMES_WAITING:
                due.append(watch.frames_at)
        return min(due, default=None)


def _counted(lease: Lease) -> Counted:
    return lease.id, lease.bitten, lease.seen, lease.overflow


def line_of(captured: Captured) -> bytes:
    """A message of frames as `encode` makes it, many times faster: there may be thousands a second."""
    frames = ",".join(
        f'{{"at_ns":{each.at_ns},"device":{json.dumps(each.device)},'
        f'"outgoing":{"true" if each.outgoing else "false"},"length":{each.length},'
        f'"data":{{"base64":"{base64.b64encode(each.data).decode("ascii")}"}},'
        f'"leases":{json.dumps(each.leases, separators=(",", ":"))}}}'
        for each in captured.frames
    )
    return (
        f'{{"v":{VERSION},"type":"captured","id":{captured.id},"frames":[{frames}],'
        f'"missing":{captured.missing}}}\n'
    ).encode("ascii")
