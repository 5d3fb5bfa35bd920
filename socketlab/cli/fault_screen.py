"""What `fault step` shows on a terminal, and what its keys mean: pure, so that a test can play an instructor.

Theory of operation
    The screen is a ladder of what waits: one line a packet, from whom to whom, the chosen one marked. Below
    it stand the last packets that went, and what became of them. Keys move the mark, or say what becomes of
    the marked packet; whoever holds the terminal does it and tells the screen what waits then.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from socketlab.cli.fault_lab import named
from socketlab.messages import say

if TYPE_CHECKING:
    from socketlab.holder.protocol import HeldAbout

Step: TypeAlias = Literal["release", "drop", "duplicate"]

KEYS: Final[Mapping[str, Step]] = {
    "r": "release",
    "\r": "release",
    "\n": "release",
    " ": "release",
    "d": "drop",
    "x": "drop",
    "2": "duplicate",
    "u": "duplicate",
}
UP: Final = frozenset({"\x1b[A", "\x1bOA", "k"})
DOWN: Final = frozenset({"\x1b[B", "\x1bOB", "j"})
QUIT: Final = frozenset({"q", "\x03", "\x04"})
ALL: Final = "a"
_WENT: Final = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """What becomes of a packet.

    Args:
        packet: its number.
        lease: the fault that holds it.
        step: what is done.
    """

    packet: int
    lease: str
    step: Step


class Screen:
    """What waits, and which of it is marked.

    Args:
        names: hosts' names by their addresses.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._held: tuple[HeldAbout, ...] = ()
        self._marked = 0
        self._went: deque[str] = deque(maxlen=_WENT)
        self.over = False
        """Whether the instructor has had enough."""

    def now(self, held: "Sequence[HeldAbout]") -> None:
        """What waits now. The mark stays on its packet, or goes on to the next."""
        marked = self._held[self._marked] if self._held else None
        self._held = tuple(held)
        if marked in self._held:
            self._marked = self._held.index(marked)
        self._marked = max(0, min(self._marked, len(self._held) - 1))

    def key(self, key: str) -> list[Wish]:
        """What a key asks for."""
        if key in QUIT:
            self.over = True
        elif key in UP:
            self._marked = max(0, self._marked - 1)
        elif key in DOWN:
            self._marked = min(max(0, len(self._held) - 1), self._marked + 1)
        elif key == ALL:
            return [Wish(each.number, each.lease, "release") for each in self._held]
        elif key in KEYS and self._held:
            one = self._held[self._marked]
            return [Wish(one.number, one.lease, KEYS[key])]
        return []

    def done(self, wish: Wish, held: "Sequence[HeldAbout]") -> None:
        """A wish has been fulfilled, and that is what waits then."""
        for each in self._held:
            if (each.number, each.lease) == (wish.packet, wish.lease):
                self._went.append(say(f"cli.fault.step.{wish.step}", packet=self.spelled(each)))
        self.now(held)

    def spelled(self, packet: "HeldAbout") -> str:
        """A packet as a line: `3  client:50000 > server:7000  [S] seq 17 length 0`."""
        flow = named(packet.flow, self._names)
        return f"{packet.number:>4}  {flow}  {packet.summary}".rstrip()

    def lines(self, rows: int, columns: int, title: str) -> list[str]:
        """What is to be seen.

        Args:
            rows: of the terminal.
            columns: the same.
            title: the first line.
        """
        room = max(1, rows - 5 - len(self._went))
        first = max(0, min(self._marked - room // 2, len(self._held) - room))
        shown = self._held[first : first + room]
        lines = [title, ""]
        lines += [
            f"{'>' if first + number == self._marked else ' '} {self.spelled(each)}"
            for number, each in enumerate(shown)
        ] or [say("cli.fault.step.nothing")]
        lines += ["", *self._went] if self._went else []
        lines += ["", say("cli.fault.step.keys")]
        return [line[:columns] for line in lines[:rows]]
