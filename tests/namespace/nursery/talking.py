"""What tests here say to hosts, agents and controllers."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.agent.meeting import ANSWER, REQUEST
from socketlab.hosts.backend import Stream
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.sockets import Socket
from socketlab.wire import LineBuffer, Message, decode, encode
from tests.namespace.nursery.leftovers import MARK, Leftovers, new_mark

ROOT = Path(__file__).parents[3]
SECONDS = 20.0
"""A deadline for what takes milliseconds."""
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


def address(host: Host, family: str) -> str:
    """Where a host is."""
    found = host.address if family == "ipv4" else host.address6
    assert found is not None
    return found


@contextlib.contextmanager
def pair(lab: Lab, family: str = "ipv4", port: int = 7000) -> Iterator[tuple[Socket, Socket]]:
    """A connection from the client to the server: both ends."""
    where = (address(lab.server, family), port)
    with lab.server.socket(FAMILIES[family]) as listener, lab.client.socket(FAMILIES[family]) as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(1)
        client.settimeout(SECONDS)
        client.connect(where)
        listener.settimeout(SECONDS)
        with listener.accept()[0] as accepted:
            accepted.settimeout(SECONDS)
            yield client, accepted


def python(host: Host, code: str) -> Any:
    """What a Python program on a host prints, as JSON."""
    done = host.run(["python3", "-c", textwrap.dedent(code)], timeout=SECONDS)
    assert done.exit_code == 0, done.stderr.decode()
    return json.loads(done.stdout)


def ask(stream: Stream, request: Message) -> Message:
    """Put a request to an agent."""
    stream.send(encode(request, REQUEST))
    lines = LineBuffer(ANSWER.line)
    deadline = time.monotonic() + SECONDS
    while True:
        data = stream.receive(deadline - time.monotonic())
        assert data, "the agent hung up"
        for line in lines.feed(data):
            return decode(line, ANSWER)


class Controller:
    """A Python program that makes a lab, says so on its standard output, and waits for its standard input.

    Args:
        code: runs in `with lab(...) as demo`, before it says `ready`.
        command: of the interpreter.
        root: folder of our code.
    """

    def __init__(
        self, code: str = "pass", command: tuple[str, ...] = (sys.executable,), root: Path = ROOT
    ) -> None:
        self.mark = new_mark()
        self.left = Leftovers(self.mark)
        program = textwrap.dedent("""
            import sys
            from socketlab.hosts.namespace import NamespaceBackend
            from socketlab.hosts.namespace.nursery import Nursery
            from socketlab.hosts.spec import HostSpec, LabSpec

            spec = LabSpec(name="demo", hosts=(HostSpec(name="client"), HostSpec(name="server")))
            demo = NamespaceBackend().open(spec)
            try:
                {code}
                print("ready", Nursery.shared().pid, Nursery.shared().hello.pid, flush=True)
                sys.stdin.readline()
            finally:
                demo.close()
        """).replace("{code}", textwrap.indent(textwrap.dedent(code).strip(), " " * 4).strip())
        self.process = subprocess.Popen(
            [*command, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, MARK: self.mark, "PYTHONPATH": str(root), "LC_ALL": "C.UTF-8"},
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if not words:
            raise AssertionError(self.process.communicate(timeout=SECONDS)[1])
        self.waiter, self.nursery = int(words[1]), int(words[2])
        self.left.remember()

    def end(self) -> tuple[int, str]:
        """Let it end by itself; its exit code, and what it said to standard error."""
        _out, said = self.process.communicate("\n", timeout=SECONDS)
        return self.process.returncode, said

    def close(self) -> None:
        """Be sure that it has ended."""
        self.process.kill()
        self.process.communicate(timeout=SECONDS)
