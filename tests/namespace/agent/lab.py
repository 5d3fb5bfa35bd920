"""Two hosts on a veth, each a network namespace, and an agent on either: what the tests here stand on.

A socket belongs to the namespace its thread was in when it was made, so the tests hold sockets of both
hosts in one process and need no helper programs.
"""

import contextlib
import ctypes
import errno
import itertools
import json
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.agent.asking import ask
from socketlab.wire import Add, Applied, Fault, Heal, Lease, Leases, List, Match

ROOT = Path(__file__).parents[3]
SECONDS = 20.0
"""A deadline for what takes milliseconds."""
SERVER = {"ipv4": "10.98.0.10", "ipv6": "fd00:98::10"}
CLIENT = {"ipv4": "10.98.0.20", "ipv6": "fd00:98::20"}
BYSTANDER = {"ipv4": "10.98.0.21", "ipv6": "fd00:98::21"}
"""A second address of the client's host: another peer, for controls."""
PORT, OTHER_PORT = 7000, 7001
FAMILY = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


@contextlib.contextmanager
def _inside(namespace: Path) -> Iterator[None]:
    """This thread in another network namespace, and back again."""
    with namespace.open() as there, Path("/proc/thread-self/ns/net").open() as here:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(here.fileno())


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    """A network namespace."""

    def __init__(self) -> None:
        self.name = f"slagent-{os.getpid()}-{next(_numbers)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True, capture_output=True)
        try:
            self._set_up()
        except subprocess.CalledProcessError:
            self.close()
            raise

    def _set_up(self) -> None:
        self.run("ip", "link", "set", "lo", "up")
        self.run(
            "sysctl",
            "-qw",
            "net.ipv6.conf.default.accept_dad=0",
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv6.icmp.ratelimit=0",
        )

    def run(self, *words: str) -> str:
        enter = ["nsenter", f"--net=/run/netns/{self.name}", "--", *words]
        return subprocess.run(enter, check=True, capture_output=True, text=True, cwd=ROOT).stdout

    def inside(self) -> contextlib.AbstractContextManager[None]:
        """This thread on this host: what it opens is the host's."""
        return _inside(Path("/run/netns") / self.name)

    def open(self, family: str, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this host."""
        with _inside(Path("/run/netns") / self.name):
            return socket.socket(FAMILY[family], kind, protocol)

    def unix_socket(self) -> socket.socket:
        """A Unix socket of this host: abstract names are the namespace's."""
        with _inside(Path("/run/netns") / self.name):
            return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def state(self) -> tuple[str, ...]:
        """What a fault may change, byte for byte."""
        return (
            self.run("nft", "-j", "list", "ruleset"),
            self.run("ip", "-j", "route", "show", "table", "all"),
            self.run("ip", "-j", "-6", "route", "show", "table", "all"),
        )

    def has_settled(self) -> bool:
        """Whether IPv6 is up: its last step is the route of the link-local address."""
        routes = json.loads(self.run("ip", "-j", "-6", "route", "show", "table", "local"))
        made = {(route["type"], route["dst"][:4]) for route in routes}
        return {("local", "fe80"), ("multicast", "ff00")} <= made

    def rules(self) -> list[dict[str, Any]]:
        """The rules of the agent's table, as nft has them."""
        listed = json.loads(self.run("nft", "-j", "list", "table", "inet", "socketlab"))
        return [entry["rule"] for entry in listed["nftables"] if "rule" in entry]

    def close(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


class Agent:
    """The real program, on a host."""

    def __init__(
        self,
        host: Host,
        *standing: str,
        folder: Path | None = None,
        before: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
    ) -> None:
        self.host = host
        self.own_folder = Path(tempfile.mkdtemp(prefix="sl"))
        self.folder = folder or self.own_folder
        words = [word for fault in standing for word in ("--standing", fault)]
        self.process = subprocess.Popen(
            [
                "nsenter",
                f"--net=/run/netns/{host.name}",
                "--",
                *before,
                sys.executable,
                "-m",
                "services.agent",
                "--run-dir",
                str(self.folder),
                *options,
                *words,
            ],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)},
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, words: str) -> None:
        """Until it has said so on its standard error."""
        deadline = time.monotonic() + SECONDS
        while not any(words in line for line in self.said):
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, f"ended without {words!r}: {self.said}"
            self.said.append(line)

    def ready(self) -> "Agent":
        self.wait_for("ready")
        return self

    @property
    def child(self) -> int:
        """The agent proper."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children)

    def ended(self) -> int:
        """The exit code, once nobody holds its standard error any more."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        while (line := self._lines.get(timeout=SECONDS)) is not None:
            self.said.append(line)
        self._lines.put(None)
        return code

    def add(self, fault: Fault, seconds: float | None = None) -> Lease:
        answer = ask(self.folder, Add(id=1, fault=fault, seconds=seconds))
        assert isinstance(answer, Applied)
        return answer.lease

    def heal(self, lease: str | None = None) -> tuple[Lease, ...]:
        answer = ask(self.folder, Heal(1, lease))
        assert isinstance(answer, Leases)
        return answer.leases

    def leases(self) -> tuple[Lease, ...]:
        answer = ask(self.folder, List(1))
        assert isinstance(answer, Leases)
        return answer.leases

    def bitten(self, lease: Lease) -> int | None:
        return {each.id: each.bitten for each in self.leases()}[lease.id]

    def command(self, *words: str, lang: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
        """`socketlab-fault` on its host."""
        return subprocess.run(
            [sys.executable, "-m", "services.agent.command", "--run-dir", str(self.folder), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=ROOT,
            env={**os.environ, "LC_ALL": lang, "PYTHONPATH": str(ROOT)},
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
        shutil.rmtree(self.own_folder, ignore_errors=True)


class Lab:
    """A client and a server, IPv4 and IPv6, with a service on two ports of the server."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.server = self.host()
        self.client = self.host()
        self.connect_hosts()
        self.datagrams: dict[tuple[str, int], socket.socket] = {}
        self.listeners: dict[tuple[str, int], socket.socket] = {}
        for family, port in itertools.product(FAMILY, (PORT, OTHER_PORT)):
            listener = self.open(self.server, family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((SERVER[family], port))
            listener.listen(64)
            self.listeners[family, port] = listener
            receiver = self.open(self.server, family, socket.SOCK_DGRAM)
            receiver.bind((SERVER[family], port))
            self.datagrams[family, port] = receiver
        self.settle()

    def host(self) -> Host:
        host = Host()
        self._stack.callback(host.close)
        return host

    def open(self, host: Host, family: str, kind: int, protocol: int = 0) -> socket.socket:
        return self.keep(host.open(family, kind, protocol))

    def keep(self, made: socket.socket) -> socket.socket:
        """A socket that is closed with the lab."""
        self._stack.callback(made.close)
        return made

    def agent(
        self,
        host: Host,
        *standing: str,
        folder: Path | None = None,
        before: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
    ) -> Agent:
        agent = Agent(host, *standing, folder=folder, before=before, options=options)
        self._stack.callback(agent.close)
        return agent

    def connect_hosts(self) -> None:
        self.server.run(
            "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.client.name
        )
        self._address(self.server, SERVER)
        self._address(self.client, CLIENT, BYSTANDER)

    @staticmethod
    def _address(host: Host, *addresses: dict[str, str]) -> None:
        for each in addresses:
            host.run("ip", "addr", "add", each["ipv4"] + "/24", "dev", "eth0")
            host.run("ip", "addr", "add", each["ipv6"] + "/64", "dev", "eth0", "nodad")
        host.run("ip", "link", "set", "eth0", "up")

    def settle(self) -> None:
        """Until the link carries both families, and the kernel has made all routes that come with it."""
        deadline = time.monotonic() + SECONDS
        for host in (self.server, self.client):
            while not host.has_settled():
                assert time.monotonic() < deadline, f"the link does not come up: {host.state()}"
        for family in FAMILY:
            assert self.connect(family) == "connected"

    def connect(
        self, family: str, port: int = PORT, source: dict[str, str] = CLIENT, timeout: float = 5.0
    ) -> str:
        """What a TCP connect from the client gets: `connected`, `timeout`, or the errno's name."""
        with self.client.open(family, socket.SOCK_STREAM) as connecting:
            connecting.bind((source[family], 0))
            connecting.settimeout(timeout)
            return outcome(lambda: connecting.connect((SERVER[family], port)), "connected")

    def deliver(self, family: str, port: int = PORT, source: dict[str, str] = CLIENT) -> str:
        """What becomes of a datagram from the client: `delivered`, `timeout`, or the errno of its sender."""
        with self.client.open(family, socket.SOCK_DGRAM) as sending:
            sending.bind((source[family], 0))
            sending.connect((SERVER[family], port))
            sending.send(b"x")
            receiver = self.datagrams[family, port]
            receiver.settimeout(0.5)
            arrived = outcome(lambda: receiver.recv(10), "delivered")
            if arrived == "delivered":
                return arrived
            sending.settimeout(0.5)
            return outcome(lambda: sending.recv(10), "answered")


def outcome(call: Any, done: str) -> str:
    """`done`, `timeout`, or the name of the errno that a call raised."""
    try:
        call()
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return done


def match(family: str, **others: Any) -> Match:
    """The client's TCP to the service, where nothing else is said."""
    return Match(**{"peer": "client", "addresses": (CLIENT[family],), "port": PORT, "proto": "tcp", **others})


class IcmpWatch:
    """Sees the destination-unreachable messages that a host gets."""

    def __init__(self, lab: Lab, family: str) -> None:
        protocol = socket.IPPROTO_ICMP if family == "ipv4" else socket.IPPROTO_ICMPV6
        self._family = family
        self._socket = lab.open(lab.client, family, socket.SOCK_RAW, protocol)
        self._socket.settimeout(SECONDS)

    def next_code(self) -> int:
        """The code of the next one."""
        unreachable = 3 if self._family == "ipv4" else 1
        while True:
            data = self._socket.recv(2048)
            header = (data[0] & 0xF) * 4 if self._family == "ipv4" else 0
            kind, code = struct.unpack_from("BB", data, header)
            if kind == unreachable:
                return int(code)


@contextlib.contextmanager
def labs() -> Iterator[Lab]:
    """A lab, cleared away at the end whatever happens."""
    with contextlib.ExitStack() as stack:
        yield Lab(stack)
