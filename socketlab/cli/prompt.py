"""The prompt of `socketlab shell`: Python, and a line for each call that a host makes.

Theory of operation
    Calls are events of the lab; each that has ended is written as a line as soon as it is known: host, call,
    what it gave, errno, time. So what a statement returned is not shown again when it is just that call,
    and what it raised is not told twice. Without a terminal the statements come by a pipe: each is written
    before what it gave, so what comes out reads as if it had been typed.
"""

import ast
import code
import contextlib
import errno
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from socketlab.hosts.lab import Lab
from socketlab.messages import say
from socketlab.sockets.host_event import HostEvent
from socketlab.wire.errors import SocketlabError
from socketlab.wire.event import Event
from socketlab.wire.outcome import Raised

if TYPE_CHECKING:
    from types import ModuleType

_OURS: Final = frozenset(f"call.{name}" for name in ("popen", "put", "about", "clock", "sockets", "forget"))
"""Calls that programs and this prompt make, which are no socket's."""
_NO_SOCKET: Final = re.compile(r"<(?:process|file) (\d+)>")
_PROMPTS: Final = (">>> ", "... ")
_CALL_WIDTH: Final = 48
_RESULT_WIDTH: Final = 40


class Lines:
    """Events as lines. It remembers which handles are programs', whose calls nobody asked to see."""

    def __init__(self) -> None:
        self._programs: set[str] = set()

    def line(self, host: str, event: Event) -> str | None:
        """What is shown of an event; None: nothing.

        Args:
            host: on which it happened.
            event: that has ended.
        """
        if event.name.startswith("host."):
            return f"  {host} {event.name.removeprefix('host.')} {event.said}".rstrip()
        if event.outcome is None:
            return None
        result = event.outcome.result
        place = event.said.partition(" ")[0] or host
        if event.name == "call.popen" and not isinstance(result, Raised):
            self._programs |= {f"{host}:{number}" for number in _NO_SOCKET.findall(str(result.value))}
        if event.name in _OURS or place in self._programs:
            return None
        if isinstance(result, Raised):
            gave = f"{result.exception} {result.errno or '-'}"
        elif event.name == "call.connect_ex" and isinstance(result.value, int) and result.value:
            gave = f"{result.value} {errno.errorcode.get(result.value, '-')}"
        else:
            gave = result.value if isinstance(result.value, str) else repr(result.value)
        call = f"{place} {_named(event.outcome.call)}"
        return f"  {call:<{_CALL_WIDTH}}  {gave:<{_RESULT_WIDTH}} {event.outcome.seconds * 1e3:9.2f} ms"


def _named(call: str) -> str:
    """`socket(2, 1, 0)` with the names of the numbers."""
    if match := re.fullmatch(r"(socket|socketpair)\((\d+), (\d+), (\d+)\)", call):
        with contextlib.suppress(ValueError):
            family, kind = socket.AddressFamily(int(match[2])), socket.SocketKind(int(match[3]))
            return f"{match[1]}({family.name}, {kind.name})"
    return call


class Prompt(code.InteractiveConsole):
    """Statements read, performed and told.

    Args:
        lab: an open one.
        put: writes a line.
        terminal: whether somebody types.
    """

    def __init__(self, lab: Lab, put: Callable[[str], None], *, terminal: bool) -> None:
        names = {name: getattr(socket, name) for name in socket.__all__ if name.isupper()}
        names |= {name.replace("-", "_"): host for name, host in lab.hosts.items()}
        super().__init__({"__name__": "__console__", "lab": lab, **names})
        self._lab = lab
        self._put = put
        self._terminal = terminal
        self._lock = threading.Lock()
        self._lines = Lines()
        self._told: list[str] = []
        self._called = ""

    def run(self) -> None:
        """Until the end of the input."""
        before = sys.displayhook
        sys.displayhook = self._display
        try:
            with _readline(self.locals) if self._terminal else contextlib.nullcontext():
                self.interact(banner="", exitmsg="")
            self._refuse_unfinished()
        except SystemExit:  # exit() and quit() are words of Python's own prompt
            pass
        finally:
            sys.displayhook = before

    def happened(self, told: HostEvent) -> None:
        """Show an event of the lab."""
        host, event = told.host, told.event
        if event.phase == "started":
            return
        with self._lock:
            line = self._lines.line(host, event)
            if line is None:
                return
            self._told.append(event.name.removeprefix("call."))
            self._put(line)

    # -- code.InteractiveConsole

    def raw_input(self, prompt: str = "") -> str:
        """The next line: typed, or from the pipe.

        Raises:
            EOFError: there is none.
        """
        if self._terminal:
            return input(prompt)
        line = sys.stdin.readline()
        if not line:
            if self.buffer and self.buffer[-1]:
                return ""  # the end of the pipe ends a block, as an empty line does
            raise EOFError
        self._put(f"{prompt}{line.rstrip()}")
        return line.rstrip("\n")

    def write(self, data: str) -> None:
        """What Python's own prompt would write on stderr."""
        if data.strip():
            self._put(data.rstrip("\n"))

    def push(self, line: str, *arguments: Any, **more: Any) -> bool:
        """Take a line; whether the statement needs more of them."""
        if not self.buffer and line.lstrip().startswith("%"):
            self._magic(line.split())
            return False
        return super().push(line, *arguments, **more)

    def runsource(self, source: str, filename: str = "<input>", symbol: str = "single") -> bool:
        """Perform a statement, if it is complete; whether it needs more lines."""
        self._called = _called(source)
        self._told.clear()
        return super().runsource(source, filename, symbol)

    def showtraceback(self) -> None:
        """One line; and none for what the call's own line has told."""
        error = sys.exc_info()[1]
        if error is None or (isinstance(error, OSError) and self._told):
            return
        if isinstance(error, KeyboardInterrupt):
            notes = getattr(error, "__notes__", ())
            self._put("\n".join(("KeyboardInterrupt", *(f"  {note}" for note in notes))))
            return
        self._put(f"  {type(error).__name__}: {error}")

    def showsyntaxerror(self, filename: str | None = None, **more: Any) -> None:
        """Where and what, without Python's frame around it."""
        del filename, more
        error = sys.exc_info()[1]
        if isinstance(error, SyntaxError):
            if error.text is not None and error.offset is not None:
                self._put(f"    {error.text.rstrip()}\n    {' ' * (error.offset - 1)}^")
            self._put(f"  SyntaxError: {error.msg}")
        else:
            self._put(f"  {type(error).__name__}: {error}")

    # -- what is ours

    def _display(self, value: Any) -> None:
        if value is None:
            return
        self.locals["_"] = value
        if self._called in self._told:
            return
        self._put(f"  {_shown(value)}")

    def _refuse_unfinished(self) -> None:
        """Say what is wrong with a statement that the end of the input has cut off."""
        try:
            compile("\n".join(self.buffer), "<input>", "exec")
        except SyntaxError:
            self.showsyntaxerror()

    def _magic(self, words: list[str]) -> None:
        try:
            match words:
                case ["%hosts"]:
                    self._put_hosts()
                case ["%sockets"]:
                    self._put_sockets(list(self._lab.hosts))
                case ["%sockets", host]:
                    self._put_sockets([self._lab[host].name])
                case ["%help"]:
                    self._put(say("cli.shell.commands", hosts=", ".join(self._lab.hosts)))
                case _:
                    self._put(say("cli.shell.magic", seen=" ".join(words)[:60]))
        except (SocketlabError, KeyError, OSError) as error:
            self._put(f"  {error.args[0] if isinstance(error, KeyError) else error}")

    def _put_hosts(self) -> None:
        for host in self._lab.hosts.values():
            addresses = " ".join(filter(None, (each for pair in host.addresses.values() for each in pair)))
            self._put(f"  {host.name:<12} {say(f'cli.state.{host.state}'):<10} {addresses}")

    def _put_sockets(self, hosts: list[str]) -> None:
        for host in hosts:
            for each in self._lab[host].sockets():
                if each.get("proto") in {"tcp", "udp"}:
                    ends = "  ".join(_end(each.get(side)) for side in ("local", "peer"))
                    self._put(f"  {host:<12} {each['proto']} {each['state']:<12} {ends}")


def _end(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if address else "-"


def _called(source: str) -> str:
    """The name of the function or method that a statement is nothing but a call of; else empty."""
    with contextlib.suppress(SyntaxError, ValueError):
        match ast.parse(source).body:
            case [ast.Expr(value=ast.Call(func=ast.Attribute(attr=name)))]:
                return name
    return ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 2000 else f"{text[:2000]}... ({len(text)})"  # noqa: PLR2004 - a screen


@contextlib.contextmanager
def _readline(names: Any) -> Iterator[None]:
    """Editing and completion, where this Python has them."""
    module: ModuleType | None = None
    with contextlib.suppress(ImportError):
        import readline  # noqa: PLC0415 - not on Windows
        import rlcompleter  # noqa: PLC0415 - it sets itself up when it is imported

        module = readline
        before = readline.get_completer()
        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
    yield
    if module is not None:
        module.set_completer(before)
