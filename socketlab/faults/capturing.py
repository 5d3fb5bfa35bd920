"""Packets as hosts' links see them, collected from the agents on one clock, and written as pcapng.

A packet that two hosts see is there twice: as one sent it, and as the other got it. Its times are of the
kernels that saw it; hosts of one engine share their clock.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Self

from socketlab.errors import LabError
from socketlab.faults.lease import Lease
from socketlab.faults.pcapng import Packet, written
from socketlab.faults.reach import Reach, Subscription
from socketlab.faults.recognising import bitten_by
from socketlab.faults.words import words_of_lab
from socketlab.hosts.host import Host
from socketlab.wire.message import Captured, Frame, Message

MOST_FRAMES: Final = 200_000
"""Packets that are kept; the rest is counted."""
SNAP: Final = 262
_AT_ONCE: Final = 16


class Capture:
    """A capture (`socketlab.hosts.faulting.FaultCapture`); for a `with` block.

    Args:
        hosts: on these.
        reaches: to their agents, by name.
        name: of the lab.
        directory: where a file is written when the block ends; None: none is.
        leases: in force now.
        snap: bytes of each packet.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        reaches: Mapping[str, Reach],
        *,
        name: str,
        directory: str | os.PathLike[str] | None = None,
        leases: Sequence[Lease] = (),
        snap: int = SNAP,
    ) -> None:
        self._hosts = tuple(hosts)
        self._reaches = reaches
        self._name = name
        self._directory = None if directory is None else Path(directory)
        self._leases = list(leases)
        self._snap = snap
        self._lock = threading.Lock()
        self._frames: list[tuple[str, Frame]] = []
        self._missing = 0
        self._offsets: dict[str, int] = {}
        self._epoch_ns = 0
        self._subscriptions: list[tuple[Reach, Subscription]] = []

    def start(self) -> Self:
        """Begin; every packet from now on is seen.

        Raises:
            LabError: a host's agent cannot be reached.
        """
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        try:
            with ThreadPoolExecutor(min(len(self._hosts), _AT_ONCE)) as pool:
                list(pool.map(self._watch, self._hosts))
        except BaseException:
            self.stop()
            raise
        return self

    def _watch(self, host: Host) -> None:
        self._offsets[host.name] = host.clock_offset_ns
        reach = self._reaches[host.name]
        networks = [each.address.network for each in host.plan.interfaces]
        networks6 = [each.address6.network for each in host.plan.interfaces if each.address6 is not None]
        made = reach.subscribe(
            partial(self._take, reach),
            capture=True,
            networks=tuple(map(str, (*networks, *networks6, *(way.to for way in host.plan.ways)))),
            snap=self._snap,
        )
        with self._lock:
            self._subscriptions.append((reach, made))

    def _take(self, reach: Reach, message: Message) -> None:
        """In the thread that reads an agent's words."""
        if not isinstance(message, Captured):
            return
        offset = self._offsets[reach.host]
        frames = [dataclasses.replace(frame, at_ns=frame.at_ns - offset) for frame in message.frames]
        with self._lock:
            room = max(0, MOST_FRAMES - len(self._frames))
            self._frames += [(reach.host, frame) for frame in frames[:room]]
            self._missing += message.missing + len(frames[room:])

    def note(self, lease: Lease) -> None:
        """A fault has been put in force: what it bites is known by it (`recognising`)."""
        with self._lock:
            if self._subscriptions:
                self._leases.append(lease)

    def stop(self) -> None:
        """End; everything that was seen is here when this returns. Any number of times."""
        with self._lock:
            subscriptions, self._subscriptions = self._subscriptions, []
        for reach, subscription in subscriptions:
            with suppress(LabError):  # its host is gone: what it saw has come
                reach.unsubscribe(subscription)

    @property
    def frames(self) -> tuple[tuple[str, Frame], ...]:
        """Host and packet, in the order of their times; those are of our monotonic clock.

        A packet's `leases` are the ids of the lab's leases that bit it, as far as that can be told.
        """
        with self._lock:
            found = sorted(self._frames, key=lambda each: each[1].at_ns)
            leases = tuple(self._leases)
        by_host: dict[str, list[int]] = {}
        for place, (host, _) in enumerate(found):
            by_host.setdefault(host, []).append(place)
        for lease in leases:
            for part in lease.network:
                places = by_host.get(part.host, [])
                part.reach.read_log(part)
                frames = [found[place][1] for place in places]
                for number in bitten_by(part, frames, self._offsets.get(part.host, 0)):
                    host, frame = found[places[number]]
                    found[places[number]] = host, dataclasses.replace(frame, leases=(*frame.leases, lease.id))
        return tuple(found)

    @property
    def missing(self) -> int:
        """Packets that were lost because nobody took them in time."""
        with self._lock:
            return self._missing

    def bitten_by(self, lease: str) -> tuple[Frame, ...]:
        """The packets that a lease of the lab bit."""
        return tuple(frame for _, frame in self.frames if lease in frame.leases)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write them as pcapng, for Wireshark and tcpdump.

        Raises:
            OSError: it cannot be written there.
        """
        from socketlab import __version__  # noqa: PLC0415 - the package is not whole while it loads

        words = {lease.id: words_of_lab(lease.fault) for lease in self._leases}
        packets = (
            Packet(
                frame.at_ns + self._epoch_ns,
                host,
                frame.device,
                frame.outgoing,
                frame.length,
                frame.data,
                "; ".join(f"lease {each}: {words[each]}" for each in frame.leases),
            )
            for host, frame in self.frames
        )
        with Path(path).open("wb") as file:
            file.writelines(written(packets, f"socketlab {__version__}", self._snap))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.stop()
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self.write(self._directory / f"{self._name}.pcapng")
