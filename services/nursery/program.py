"""The nursery proper: serves one controller, one request at a time, and ends with its stream."""

import gc
import os
import select
import socket
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from services.nursery.control import why
from services.nursery.errors import NurseryError
from services.nursery.lab import Lab, Machine
from services.nursery.processes import log_exception
from socketlab.wire.errors import WireError
from socketlab.wire.lines import LineBuffer
from socketlab.wire.nursery import LONGEST, Answer, Ask, Done, Failed, Hello, read_ask, write

_READ = 1 << 18
_LATER = (
    "encodings.idna",
    "services.actor.programs",
    "services.actor.held_process",
    "services.actor.held_file",
)
_AGENTS = (
    "services.netlink.nftables",
    "socketlab.wire.message",
    "socketlab.wire.words",
    "services.agent.journal",
    "services.agent.faults",
    "services.agent.program",
    "services.nursery.agent_process",
)
"""What agents need, piece by piece: once one has been asked for, hosts that begin later have it already."""
_IDLE_SECONDS = 0.02


class Nursery:
    """All labs of one controller.

    Args:
        stream: to the controller.
        machine: what labs stand on.
    """

    def __init__(self, stream: socket.socket, machine: Machine) -> None:
        self._stream = stream
        self._machine = machine
        self._labs: dict[int, Lab] = {}
        self._ahead = list(_LATER)
        self._has_agents = False

    def serve(self, hello: Hello) -> NoReturn:
        """Serve until the stream ends; then this process ends, and with it every host."""
        gc.disable()
        gc.freeze()
        try:
            self._send(hello)
            lines = LineBuffer(LONGEST)
            self._read_ahead()
            while data := self._stream.recv(_READ):
                for line in lines.feed(data):
                    self._reply(read_ask(line))
                self._read_ahead()
        except (OSError, WireError):
            pass
        finally:
            os._exit(0)

    def _read_ahead(self) -> None:
        """While nobody asks for anything, import what hosts would import, each for itself."""
        if not self._ahead:
            return
        while self._ahead:
            if select.select([self._stream], [], [], _IDLE_SECONDS)[0]:
                return
            with suppress(ImportError):
                import_module(self._ahead.pop(0))
        gc.freeze()

    def _expect_agents(self) -> None:
        if not self._has_agents:
            self._has_agents = True
            self._ahead += _AGENTS

    def _send(self, answer: Answer, descriptors: tuple[int, ...] = ()) -> None:
        line = write(answer)
        sent = socket.send_fds(self._stream, [line], list(descriptors)) if descriptors else 0
        self._stream.sendall(line[sent:])

    def _reply(self, ask: Ask) -> None:
        try:
            answer, descriptor = self._do(ask)
        except NurseryError as error:
            self._send(Failed(ask.id, error.code, error.details))
        except Exception as error:  # noqa: BLE001 - one lab's mistake must not end the others
            log_exception()
            self._send(Failed(ask.id, "namespace.failed", {"why": why(error)}))
        else:
            if descriptor is None:
                self._send(answer)
                return
            try:
                self._send(answer, (descriptor,))
            finally:
                os.close(descriptor)

    def _do(self, ask: Ask) -> tuple[Done, int | None]:
        """Do what is asked for; the answer, and the descriptor that goes with it."""
        done = Done(ask.id)
        if ask.do == "close":
            lab = self._labs.pop(ask.lab, None)
            if lab is not None:
                lab.close()
            return done, None
        if ask.do == "open" and ask.setup is not None:
            self._labs[ask.lab] = Lab(ask.setup, self._machine)
            return done, None
        lab = self._labs.get(ask.lab)
        if lab is None:
            raise NurseryError("namespace.closed")
        if ask.do == "actor":
            return Done(ask.id, descriptors=1), lab.actor(ask.host)
        if ask.do == "agent":
            stream = lab.agent(ask.host)
            self._expect_agents()
            return Done(ask.id, descriptors=1), stream
        if ask.do == "states":
            return Done(ask.id, states=lab.states()), None
        _change(lab, ask)
        return done, None


def _change(lab: Lab, ask: Ask) -> None:
    """Do what has no answer but that it was done."""
    match ask.do:
        case "act":
            lab.act(ask.host, ask.what)
        case "plug":
            lab.plug(ask.host, ask.what, connected=ask.on)
        case "link":
            lab.link(ask.host, ask.what, up=ask.on)
        case _:
            raise NurseryError("namespace.no-request", seen=ask.do)
