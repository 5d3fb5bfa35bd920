"""`socketlab fault step`: single-stepping the network. Held packets go on, or not, one by one.

Theory of operation
    By options it does one thing and shows what still waits, for scripts. On a terminal without any it shows
    what waits as it changes, and obeys keys: the main thread waits for keys and for a pipe, into which a
    thread writes whenever the holder says that something has changed.
"""

import os
import select
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import click

from socketlab.cli.console import put, put_json, put_table, tell
from socketlab.cli.fault_lab import held_lab, held_of, names_of
from socketlab.cli.fault_screen import Screen, Step, Wish
from socketlab.cli.group import command
from socketlab.cli.options import json_option, lab_option
from socketlab.cli.terminal import by_key, size
from socketlab.errors import SpecError
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError

if TYPE_CHECKING:
    from socketlab.holder.client import HeldMachines, HeldStream
    from socketlab.holder.protocol import HeldAbout

_STEPS = ("release", "drop", "duplicate")
_CLEAR = "\x1b[H\x1b[2J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""The alternate screen, without a cursor (xterm): what was on the terminal comes back."""


@command("step", under="fault")
@lab_option()
@click.option("--release", type=int, metavar="N", help=say("cli.fault.step.option-release"))
@click.option("--drop", type=int, metavar="N", help=say("cli.fault.step.option-drop"))
@click.option("--duplicate", type=int, metavar="N", help=say("cli.fault.step.option-duplicate"))
@json_option()
@click.argument("lease", required=False, metavar=say("cli.metavar.id"))
def step(*, lab: str | None, as_json: bool, lease: str | None, **numbers: int | None) -> None:
    """Let held packets go one by one."""
    asked = [(name, number) for name in _STEPS if (number := numbers[name]) is not None]
    if len(asked) > 1:
        raise SpecError("cli.fault-step-one")
    with held_lab(lab) as machines:
        names = names_of(machines.plan)
        if asked:
            name, number = asked[0]
            held = _do(machines, Wish(number, lease or "", cast("Step", name)))
        elif as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
            held = _held(machines, lease)
        else:
            _Stepping(machines, lease, names).run()
            return
    if as_json:
        put_json(held)
        return
    _put(held_of(held), Screen(names))


def _held(machines: "HeldMachines", lease: str | None) -> dict[str, Any]:
    from socketlab.holder.protocol import FaultAsk  # noqa: PLC0415 - a lab's modules, only when needed

    return machines.fault(FaultAsk(op="held", lease=lease))


def _do(machines: "HeldMachines", wish: Wish) -> dict[str, Any]:
    from socketlab.holder.protocol import FaultAsk  # noqa: PLC0415 - as above

    return machines.fault(FaultAsk(op="step", lease=wish.lease or None, packet=wish.packet, step=wish.step))


def _put(held: "tuple[HeldAbout, ...]", screen: Screen) -> None:
    if not held:
        put(say("cli.fault.step.nothing"))
        return
    first = held[0].at_ns
    heads = [say(f"cli.column.{name}") for name in ("number", "host", "id", "at", "packet")]
    put_table(
        heads,
        [
            (
                str(each.number),
                each.host,
                each.lease,
                f"{(each.at_ns - first) / 1e9:.6f}",
                screen.spelled(each).strip().partition("  ")[2],
            )
            for each in held
        ],
    )


class _Stepping:
    """An instructor at a terminal."""

    def __init__(self, machines: "HeldMachines", lease: str | None, names: dict[str, str]) -> None:
        self._machines = machines
        self._lease = lease
        self._screen = Screen(names)
        self._changed, self._change = os.pipe()
        self._lock = threading.Lock()
        self._waiting: tuple[HeldAbout, ...] | None = None
        self._ended = False
        self._trouble = ""

    def run(self) -> None:
        """Show and obey until it is enough, or the holder has gone."""
        stream = self._machines.watch(self._lease)
        threading.Thread(target=self._hear, args=(stream,), daemon=True).start()
        sys.stdout.write(_ENTER)
        try:
            with by_key():
                self._draw()
                while not (self._screen.over or self._ended):
                    self._turn()
        finally:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()
            stream.close()
        if self._ended:
            tell(say("error.holder.gone", name=self._machines.name))

    def _hear(self, stream: "HeldStream") -> None:
        """In a thread: what waits, as the holder tells it."""
        from socketlab.holder.protocol import ANSWER, read_answer  # noqa: PLC0415 - as above
        from socketlab.wire.lines import LineBuffer  # noqa: PLC0415 - the same

        lines = LineBuffer(ANSWER.line)
        with suppress(SocketlabError, OSError):
            while data := stream.receive(None):
                for line in lines.feed(data):
                    held = held_of(read_answer(line))
                    with self._lock:
                        self._waiting = held
                    os.write(self._change, b"!")
        self._ended = True
        os.write(self._change, b"!")

    def _turn(self) -> None:
        ready, _, _ = select.select([0, self._changed], [], [])
        if self._changed in ready:
            os.read(self._changed, 4096)
            with self._lock:
                held, self._waiting = self._waiting, None
            if held is not None:
                self._screen.now(held)
        if 0 in ready:
            typed = os.read(0, 64).decode("utf-8", "replace")
            for key in [typed] if typed.startswith("\x1b") else typed or "\x04":
                for wish in self._screen.key(key):
                    self._fulfil(wish)
        self._draw()

    def _fulfil(self, wish: Wish) -> None:
        self._trouble = ""
        try:
            self._screen.done(wish, self._mine(held_of(_do(self._machines, wish))))
        except SocketlabError as error:  # it has gone meanwhile: the next picture shows it
            self._trouble = str(error)
            self._screen.now(self._mine(held_of(_held(self._machines, self._lease))))

    def _mine(self, held: "tuple[HeldAbout, ...]") -> "tuple[HeldAbout, ...]":
        return tuple(each for each in held if self._lease in {None, each.lease})

    def _draw(self) -> None:
        rows, columns = size()
        title = self._trouble or say("cli.fault.step.title", name=self._machines.name)
        text = "\r\n".join(self._screen.lines(rows, columns, title))
        sys.stdout.write(_CLEAR + text)
        sys.stdout.flush()
