"""The first program of a host: PID 1, with a network, a mount and a UTS namespace of its own.

Theory of operation
    It is forked from the nursery, and everything else on the host descends from it: when it is killed the
    kernel kills them all, also those that made themselves daemons. It ends when the nursery does, by a signal
    that the kernel sends then and by the end of its stream, whichever comes first.

    It does what the nursery says, one thing at a time: fork an actor, start the agent, pause, resume, stop,
    set a link up or down. In between it buries the orphans, and when the agent has died it undoes what the
    agent's journal still names.
"""

import gc
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any, NoReturn

from services.actor.program import run as run_actor
from services.nursery import files, filesystem, kernel
from services.nursery.control import Control
from services.nursery.identity import Users, become_actor
from services.nursery.nanny import AgentNanny
from services.nursery.network import HostNetwork
from services.nursery.processes import close_all_but, fork, log_exception
from services.nursery.programs import Programs
from socketlab.wire.errors import SocketlabError
from socketlab.wire.nursery import HostSetup, LabSetup

_TERM_SECONDS = 2.0
_AGAIN = 0.01
"""Seconds: a program that an actor started is the actor's to bury, so its end wakes nobody here."""


class Host:
    """One host, in its own first process.

    Args:
        control: to the nursery.
        lab: the whole lab.
        host: which of its hosts.
        users: how programs here become unprivileged.
        machines_sources: the machine's nsswitch.conf.
    """

    def __init__(
        self, control: Control, lab: LabSetup, host: HostSetup, users: Users, machines_sources: str
    ) -> None:
        self._control = control
        self._lab = lab
        self._host = host
        self._users = users
        self._machines_sources = machines_sources
        self._network: HostNetwork
        self._programs: Programs
        self._actors: set[int] = set()
        self._nanny = AgentNanny()
        self._woken: socket.socket

    def run(self) -> NoReturn:
        """Be the host, to its end."""
        kernel.die_with_parent(signal.SIGKILL)
        gc.enable()
        close_all_but(self._control.socket.fileno())
        try:
            self._set_up()
        except BaseException as error:  # noqa: BLE001 - whatever it was, the nursery tells
            log_exception()
            with suppress(OSError):
                self._control.fail(error if isinstance(error, Exception) else RuntimeError(str(error)))
            os._exit(1)
        try:
            self._serve()
        except BaseException:  # noqa: BLE001 - there is nobody above to hear of it
            log_exception()
        finally:
            os._exit(0)

    def _set_up(self) -> None:
        kernel.unshare(kernel.NEW_NETWORK | kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME)
        self._network = HostNetwork(self._host, has_offload=self._lab.offload)
        self._control.send({"has": "namespace"})
        socket.sethostname(self._host.name)
        own_proc = filesystem.furnish(files.own_files(self._lab, self._host, self._machines_sources))
        filesystem.close_sysctls()
        os.chdir("/tmp")  # noqa: S108 - the host's own
        self._wake_by_children()
        self._programs = Programs(own_proc=own_proc)
        if self._control.receive() is None:
            os._exit(0)
        self._network.configure(self._host.ports)
        self._give_actor()

    def _wake_by_children(self) -> None:
        self._woken, waker = socket.socketpair()
        self._waker = waker
        for end in (self._woken, waker):
            end.settimeout(0)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._control.socket, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            for descriptor, _events in poll.poll():
                if descriptor == self._woken.fileno():
                    self._bury()
                    continue
                said = self._control.receive()
                if said is None:
                    return
                try:
                    self._do(said.words)
                except Exception as error:  # noqa: BLE001 - the nursery tells, and the host goes on
                    log_exception()
                    self._control.fail(error)

    def _bury(self) -> None:
        """Take note of the children that have ended, adopted ones too."""
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._actors.discard(ended)
                self._nanny.has_ended(ended)

    def _do(self, words: dict[str, Any]) -> None:
        match words:
            case {"do": "actor"}:
                self._give_actor()
                return
            case {"do": "agent"}:
                with self._nanny.stream() as stream:
                    self._control.send({"has": "agent"}, (stream.fileno(),))
                return
            case {"do": "agent-soon"}:
                with suppress(SocketlabError, OSError):  # whoever asks for it then is told
                    self._nanny.begin()
                return
            case {"do": "pause"}:
                self._programs.pause(self._nanny.pid)
            case {"do": "resume"}:
                self._programs.resume()
            case {"do": "stop"}:
                self._stop()
            case {"do": "configure", "device": str(device)}:
                self._network.configure([port for port in self._host.ports if port.device == device])
            case {"do": "link", "device": str(device), "up": bool(up)}:
                self._network.set_link(device, up=up)
        self._control.send({"has": "done"})

    def _stop(self) -> None:
        """Ask all programs to end, and wait until they have, for a while."""
        ours = (self._nanny.pid, *self._actors)
        self._programs.terminate(*ours)
        deadline = time.monotonic() + _TERM_SECONDS
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        while self._programs.but(*ours) and (left := deadline - time.monotonic()) > 0:
            poll.poll(min(left, _AGAIN) * 1000)
            self._bury()

    def _give_actor(self) -> None:
        """Fork an actor and hand its stream up."""
        own, actors = socket.socketpair()
        with own, actors:
            pid = fork(lambda: self._be_actor(actors.fileno()))
            self._actors.add(pid)
            self._control.send({"has": "actor", "pid": pid}, (own.fileno(),))

    def _be_actor(self, stream: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        close_all_but(stream)
        os.setsid()
        become_actor(self._users)
        run_actor(stream, stream)
