"""A backend without networks: each host is an actor on this machine's loopback."""

import contextlib
import os
import select
import socket
import subprocess
import sys
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from socketlab.errors import EndedError, HostError
from socketlab.hosts.backend import Action, HostState, Stream
from socketlab.hosts.plan import LabPlan
from socketlab.hosts.resolve import resolve, subnets_wanted
from socketlab.hosts.spec import LabSpec

ROOT = Path(__file__).parents[3]


class _Stream:
    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.actor"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"},
            )

    def send(self, data: bytes) -> None:
        try:
            self._ours.sendall(data)
        except OSError as error:
            raise EndedError("lab.closed", lab="loopback") from error

    def receive(self, timeout: float | None) -> bytes:
        ready, _, _ = select.select([self._ours], [], [], timeout)
        if not ready:
            raise TimeoutError
        try:
            return self._ours.recv(65536)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self.process.wait(10)
        self._ours.close()


class LoopbackMachines:
    """The hosts of one lab."""

    def __init__(self, plan: LabPlan) -> None:
        self.plan = plan
        self.closed = False
        self.done: list[tuple[str, ...]] = []
        self._states: dict[str, HostState] = {host.name: "running" for host in plan.hosts}
        self._streams: dict[str, list[_Stream]] = {host.name: [] for host in plan.hosts}

    def actor(self, host: str) -> Stream:
        if self._states[host] != "running":
            raise HostError("lab.not-open", lab=host)
        self._streams[host].append(_Stream())
        return self._streams[host][-1]

    def agent(self, host: str) -> Stream:
        raise HostError("lab.not-open", lab=host)

    def act(self, host: str, action: Action) -> None:
        after: dict[Action, HostState] = {
            "pause": "paused",
            "resume": "running",
            "kill": "stopped",
            "stop": "stopped",
            "start": "running",
        }
        if action in {"kill", "stop"}:
            for stream in self._streams[host]:
                stream.process.kill()
                stream.process.wait(10)
            self._streams[host].clear()
        self._states[host] = after[action]
        self.done.append((host, action))

    def plug(self, host: str, network: str, *, connected: bool) -> None:
        self.done.append((host, "plug" if connected else "unplug", network))

    def link(self, host: str, network: str, *, up: bool) -> None:
        self.done.append((host, "up" if up else "down", network))

    def states(self) -> dict[str, HostState]:
        return dict(self._states)

    def close(self) -> None:
        self.closed = True
        for stream in (each for streams in self._streams.values() for each in streams):
            stream.close()


class LoopbackBackend:
    """Makes labs of this kind; `made` has them."""

    name = "loopback"

    def __init__(self) -> None:
        self.made: list[LoopbackMachines] = []

    def open(self, spec: LabSpec) -> LoopbackMachines:
        pairs = [
            (IPv4Network(f"10.77.{number}.0/24"), IPv6Network(f"fd77:{number}::/64"))
            for number in range(subnets_wanted(spec))
        ]
        self.made.append(LoopbackMachines(resolve(spec, pairs)))
        return self.made[-1]
