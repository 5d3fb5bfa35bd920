"""The socket calls of a program, by strace(1) on its host.

Theory of operation
    strace writes into a FIFO of the host, which `cat` reads to us line by line, so what it says never
    mixes with what the program says. `-yy` writes what is behind each descriptor; that is how a `close` of
    a socket is told from the hundreds of a program that loads its libraries. Before anything runs, strace is
    tried on `true`: where there is none, or the kernel forbids it, the reason is told and nothing has run.
"""

import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from socketlab.errors import HostError
from socketlab.sockets import Actor

CALLS: Final = (
    "%network,close,dup,dup2,dup3,poll,ppoll,select,pselect6,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait,"
    "read,write,readv,writev,fcntl"
)
"""What may be of a socket. Those that are of anything else are left out again, by what `-yy` says."""
_NETWORK: Final = re.compile(
    r"socket|socketpair|bind|listen|accept4?|connect|getsockname|getpeername|send\w*|recv\w*"
    r"|shutdown|[gs]etsockopt|p?poll|p?select6?|epoll_\w+"
)
_LINE: Final = re.compile(
    r"(?P<pid>\d+) +(?:(?P<call>\w+)\((?P<first>[^,)]*)|<\.\.\. \w+ (?P<resumed>resumed)|---)"
)
_SOCKET: Final = re.compile(r"\d+<(?:TCP|UDP|UNIX|RAW|PING|socket:)")
_NETLINK: Final = re.compile(r"(?:\d+<NETLINK|AF_NETLINK)")
"""How a resolver asks for the host's own addresses: of no interest to a reader."""
_UNFINISHED: Final = "<unfinished ...>"
_STRACE: Final = ("strace", "-f", "-qq", "-yy", "-T", "-a", "1", "-s", "64", "-e", f"trace={CALLS}")
_CHUNK: Final = 64 * 1024
_STDIN: Final = False
_TRY: Final = ("strace", "-f", "-qq", "-o", "/dev/null", "true")
_SECONDS: Final = 10.0


class Filter:
    """Lets through what is about sockets.

    Those are their calls, also the second half of one that was interrupted, and signals but SIGCHLD.
    """

    def __init__(self) -> None:
        self._open: set[str] = set()

    def takes(self, line: str) -> bool:
        """Whether a line is about a socket.

        Args:
            line: of strace, in the order in which it wrote them.
        """
        match = _LINE.match(line)
        if match is None:
            return False
        pid, call = match["pid"], match["call"]
        if match["resumed"]:
            was_open = pid in self._open
            self._open.discard(pid)
            return was_open
        if call is None:
            return "--- SIGCHLD " not in line
        first = match["first"]
        is_ours = bool(_NETWORK.fullmatch(call) or _SOCKET.match(first)) and not _NETLINK.match(first)
        if is_ours and line.rstrip().endswith(_UNFINISHED):
            self._open.add(pid)
        return is_ours


class Tracing:
    """strace around one program.

    Args:
        actor: on the program's host.
        host: its name, for errors.
        write: gets each line, its LF included.

    Raises:
        HostError: there is no strace on the host, or it may not trace.
    """

    def __init__(self, actor: Actor, host: str, write: Callable[[str], object]) -> None:
        self._actor = actor
        self._host = host
        self._write = write
        self._filter = Filter()
        self._check()
        file = actor.put("trace", b"", 0o600)
        self._fifo = f"{file}.fifo"
        code, said = self._run(["mkfifo", "-m", "600", self._fifo])
        if code:
            raise HostError("cli.trace-forbidden", host=host, why=said)
        started = actor.popen(["cat", self._fifo], None, _STDIN)
        self._cat, _, _, self._lines, _ = started
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def around(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs a program under strace."""
        return [*_STRACE, "-o", self._fifo, "--", *argv]

    def finish(self) -> None:
        """Carry what is left, and remove what was put on the host."""
        self._thread.join(_SECONDS)
        self._actor.call("close", on=self._cat)
        self._run(["rm", "-f", self._fifo, self._fifo.removesuffix(".fifo")])

    def _check(self) -> None:
        try:
            code, said = self._run(_TRY)
        except FileNotFoundError as error:
            raise HostError("cli.no-strace", host=self._host) from error
        if code:
            raise HostError("cli.trace-forbidden", host=self._host, why=said or str(code))

    def _run(self, argv: Sequence[str]) -> tuple[int, str]:
        """A small program of the host's: its status, and what it said on stderr."""
        process, _, _, stdout, stderr = self._actor.popen(list(argv), None, _STDIN)
        said = self._actor.call("read", _CHUNK, on=stderr)
        code: int = self._actor.call("wait", _SECONDS, on=process)
        for handle in (stdout, stderr, process):
            self._actor.call("close", on=handle)
        return code, said.decode("utf-8", "replace").strip()

    def _carry(self) -> None:
        rest = b""
        while data := self._read(self._lines):
            *lines, rest = (rest + data).split(b"\n")
            self._tell(lines)
        self._tell([rest] if rest else [])

    def _read(self, handle: Any) -> bytes:
        try:
            data: bytes = self._actor.call("read", _CHUNK, on=handle)
        except Exception:  # noqa: BLE001 - the host is gone: the program's own end tells why
            return b""
        return data

    def _tell(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode("utf-8", "replace")
            if self._filter.takes(text):
                self._write(text + "\n")
