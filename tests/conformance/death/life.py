"""A controller's life, again and again: labs come, are used, changed and go, until somebody is killed.

    python -m tests.conformance.death.life BACKEND NAME

It says on stdout which part of its life begins, a word a line. Its stdin ends when the killing is over: then
it lives once more, undisturbed, and that life must be whole. In the lives before a part of it may be gone at
any moment, and only typed errors may come of that.
"""

import os
import sys
import threading
from contextlib import ExitStack, closing, suppress

from services.agent.meeting import ANSWER
from socketlab.errors import EndedError, LabError
from socketlab.hosts.backend import Stream
from socketlab.hosts.lab import Lab, lab
from socketlab.sockets import Socket
from socketlab.wire import Add, Applied, Attach, Attached, Drop, LineBuffer, Match, Message, decode, encode
from tests.namespace.nursery.leftovers import MARK

PHASES = ("opening", "calling", "acting", "closing")
_SECONDS = 10.0
_run = os.environ.get("SOCKETLAB_RUN", "")


def _say(phase: str) -> None:
    sys.stdout.write(f"{phase}\n")
    sys.stdout.flush()


def _live(backend: str, name: str) -> None:
    _say("opening")
    with lab(name, backend=backend, labels={"org.socketlab.run": _run} if _run else None) as demo:
        _say("calling")
        with ExitStack() as stack:
            _call(demo, stack)
        _say("acting")
        _act(demo)
        _say("closing")


def _call(demo: Lab, stack: ExitStack) -> None:
    """A blocked accept, traffic, a program that outlives its parent, and a fault in force."""
    blocked = stack.enter_context(demo.server.create_server((demo.server.address, 7001)))
    pending = blocked.begin.accept()
    stack.callback(pending.cancel)
    listener = stack.enter_context(demo.server.create_server((demo.server.address, 7000)))
    near = stack.enter_context(demo.client.socket())
    near.settimeout(_SECONDS)
    near.connect((demo.server.address, 7000))
    listener.settimeout(_SECONDS)
    far, _ = listener.accept()
    with far:
        _talk(near, far)
        forever = "setsid sleep 600 >/dev/null 2>&1 & exit 0"
        demo.client.run(["sh", "-c", forever], env={MARK: os.environ.get(MARK, "")})
        with closing(demo.machines.agent("server")) as agent:
            assert _ask(agent, Attach(1)) == Attached(1)
            match = Match(peer="client", addresses=(demo.client.address,), port=7009, proto="tcp")
            assert isinstance(_ask(agent, Add(id=2, fault=Drop(match))), Applied)
            _talk(near, far)


def _ask(agent: Stream, request: Message) -> Message:
    """What an agent answers.

    Raises:
        EndedError: it is gone.
    """
    agent.send(encode(request))
    lines = LineBuffer(ANSWER.line)
    while data := agent.receive(_SECONDS):
        for line in lines.feed(data):
            return decode(line)
    raise EndedError("namespace.stream-ended", host="server")


def _talk(near: Socket, far: Socket) -> None:
    far.settimeout(_SECONDS)
    for number in range(20):
        near.sendall(b"%d" % number)
        assert far.recv(10) == b"%d" % number


def _act(demo: Lab) -> None:
    with demo.server.paused():
        pass
    with demo.server.disconnected():
        pass
    demo.server.restart()
    assert demo.server.gethostname() == "server"


def _await_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def main(backend: str, name: str) -> None:
    """Live until stdin ends, and once more."""
    over = threading.Event()
    threading.Thread(target=_await_end, args=(over,), daemon=True).start()
    while not over.is_set():
        with suppress(LabError, OSError):  # `OSError`: what a call over there gives when its peer is gone
            _live(backend, name)
    _say("once more")
    _live(backend, name)
    _say("whole")


if __name__ == "__main__":
    main(*sys.argv[1:])
