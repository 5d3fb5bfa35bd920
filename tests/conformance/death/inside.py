"""Looking into a host's network namespace from outside, and at the processes of its agent. Needs root."""

import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from socketlab.hosts.host import Host
from tests.conformance.places import DEADLINE
from tests.namespace.agent.network_state import difference, is_settled, network_state

_AGENT: Final = 1 << 12 | 1 << 13
"""NET_ADMIN and NET_RAW: what an agent has, and nobody else."""
_PASSING: Final = re.compile("services.agent.attach|services.container")
"""Programs that run beside it in its container, for a moment or a controller."""

needs_root: Final = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees into a host's network")


class Inside:
    """The network namespace that a host has now.

    Args:
        host: running.
    """

    def __init__(self, host: Host) -> None:
        inode = host.run(["readlink", "/proc/self/ns/net"]).stdout.decode().strip()
        self._namespace = inode
        self._first = min(self._processes())

    def _processes(self) -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str((process / "ns" / "net").readlink()) == self._namespace:
                    found.append(int(process.name))
        return found

    def run(self, *command: str) -> str:
        """What a program says there."""
        argv = ["nsenter", "-t", str(self._first), "-n", *command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout

    def state(self) -> list[str]:
        """All that the kernel tells of it."""
        return network_state(self.run)

    def settled(self) -> list[str]:
        """The same, once the kernel has looked whose the addresses are."""
        deadline = time.monotonic() + DEADLINE
        before: list[str] = []
        while not is_settled(now := self.state()) or now != before:
            assert time.monotonic() < deadline, difference(before, now)
            before = now
        return now

    def wait_for(self, expected: list[str], seconds: float = DEADLINE, *, rules: bool = True) -> None:
        """Until it is so again.

        Args:
            expected: so.
            seconds: after which it must be.
            rules: whether those of nft count: an agent has some for as long as it lives.
        """
        first = 0 if rules else 1
        deadline = time.monotonic() + seconds
        while (seen := self.state())[first:] != expected[first:]:
            assert time.monotonic() < deadline, difference(expected, seen)

    def agent(self) -> int:
        """The agent: what has its capabilities and no child."""
        parents = {}
        for pid in self._processes():
            with suppress(OSError, KeyError, ValueError):
                text = Path(f"/proc/{pid}/status").read_text()
                status = dict(line.split(":\t", 1) for line in text.splitlines())
                if int(status["CapEff"], 16) == _AGENT and not _PASSING.search(_command(pid)):
                    parents[pid] = int(status["PPid"])
        leaves = set(parents) - set(parents.values())
        assert len(leaves) == 1, {pid: _command(pid) for pid in leaves}
        return leaves.pop()


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
