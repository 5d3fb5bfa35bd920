r"""What a terminal sends, as keys.

Theory of operation
    A terminal sends text in UTF-8, control characters, and for the other keys sequences that begin with ESC
    (ECMA-48, ctlseqs of xterm). Any of them may come in pieces: what is not complete waits for its rest, and
    `forget` gives it up when none has come (somebody pressed the Escape key, which has no meaning here).
    Between ESC[200~ and ESC[201~ stands what was pasted (bracketed paste): there only a line end is a key, so
    that no pasted text can command anything. Ctrl-C and Ctrl-Z do not come here: the kernel makes signals of
    them (termios(3), ISIG).
"""

import codecs
import re
from enum import Enum, auto
from typing import Final, TypeAlias


class Key(Enum):
    """A key that does something."""

    ENTER = auto()
    END_OF_INPUT = auto()
    LEFT = auto()
    RIGHT = auto()
    HOME = auto()
    END = auto()
    UP = auto()
    DOWN = auto()
    BACKSPACE = auto()
    DELETE = auto()
    CUT_BEFORE = auto()
    CUT_AFTER = auto()
    CUT_WORD = auto()
    CLEAR = auto()


Stroke: TypeAlias = Key | str
"""A key, or text that was typed or pasted; never an empty one."""

_CONTROLS: Final = {
    "\x01": Key.HOME,
    "\x02": Key.LEFT,
    "\x04": Key.END_OF_INPUT,
    "\x05": Key.END,
    "\x06": Key.RIGHT,
    "\x08": Key.BACKSPACE,
    "\n": Key.ENTER,
    "\x0b": Key.CUT_AFTER,
    "\x0c": Key.CLEAR,
    "\r": Key.ENTER,
    "\x0e": Key.DOWN,
    "\x10": Key.UP,
    "\x15": Key.CUT_BEFORE,
    "\x17": Key.CUT_WORD,
    "\x7f": Key.BACKSPACE,
}
_LETTERS: Final = {
    "A": Key.UP,
    "B": Key.DOWN,
    "C": Key.RIGHT,
    "D": Key.LEFT,
    "H": Key.HOME,
    "F": Key.END,
}
_NUMBERS: Final = {
    "1": Key.HOME,
    "3": Key.DELETE,
    "4": Key.END,
    "7": Key.HOME,
    "8": Key.END,
}
_PASTE_BEGINS: Final = "200"
_PASTE_ENDS: Final = "\x1b[201~"
_LONGEST: Final = 32
"""Characters of a sequence that is still waited for; none that a terminal sends is as long."""

_TEXT: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]+")
_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[\[(?P<console>[ -~])?"  # F1 to F5 of the Linux console
    r"|\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])?"  # CSI
    r"|O(?P<ss3>[ -~])?"
    r"|[^\[O\x1b])?"  # a character with Alt
)


class Keyboard:
    """Turns what a terminal sends into strokes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._rest = ""
        self._pasting = False
        self._after_cr = False

    @property
    def waits(self) -> bool:
        """Whether a sequence has begun that may yet get its rest."""
        return bool(self._rest) and not self._pasting

    def forget(self) -> None:
        """Give up a sequence whose rest has not come."""
        if self.waits:
            self._rest = ""

    def feed(self, data: bytes) -> list[Stroke]:
        """Take what the terminal sent; give the strokes that are complete."""
        text, self._rest = self._rest + self._decoder.decode(data), ""
        strokes: list[Stroke] = []
        at = 0
        while at < len(text):
            at = self._pasted(text, at, strokes) if self._pasting else self._typed(text, at, strokes)
        return strokes

    def _typed(self, text: str, at: int, strokes: list[Stroke]) -> int:
        """Take one stroke from `text` at `at`; give where the next one begins."""
        if plain := _TEXT.match(text, at):
            strokes.append(plain[0])
            return plain.end()
        sequence = _SEQUENCE.match(text, at)
        if sequence is None:
            if key := _CONTROLS.get(text[at]):
                strokes.append(key)
            return at + 1
        if sequence.end() == len(text) <= at + _LONGEST and _incomplete(sequence):
            self._rest = sequence[0]
        elif sequence["parameters"] == _PASTE_BEGINS and sequence["final"] == "~":
            self._pasting = True
        elif key := _named(sequence):
            strokes.append(key)
        return sequence.end()

    def _pasted(self, text: str, at: int, strokes: list[Stroke]) -> int:
        """Take what was pasted from `text` at `at`; give where it ends."""
        end = text.find(_PASTE_ENDS, at)
        if end < 0:
            end, after = len(text) - _beginning(text[at:]), len(text)
            self._rest = text[end:]
        else:
            after = end + len(_PASTE_ENDS)
            self._pasting = False
        for piece in re.split(r"(\r\n?|\n)", text[at:end]):
            if piece and piece[0] in "\r\n":
                if not (self._after_cr and piece == "\n"):
                    strokes.append(Key.ENTER)
            elif piece:
                strokes.append(piece)
            if piece:
                self._after_cr = piece == "\r"
        self._after_cr = self._after_cr and self._pasting
        return after


def _incomplete(sequence: re.Match[str]) -> bool:
    """Whether it stops before the character that would end it."""
    console, parameters, final = sequence.group("console", "parameters", "final")
    if sequence[0].startswith("\x1b[["):
        return console is None
    return sequence[0] in {"\x1b", "\x1bO"} or (parameters is not None and final is None)


def _named(sequence: re.Match[str]) -> Key | None:
    """The key of a complete sequence; what is held down with it (`1;5C`) makes no difference."""
    parameters, final, ss3 = sequence.group("parameters", "final", "ss3")
    if final == "~":
        return _NUMBERS.get(parameters.partition(";")[0])
    return _LETTERS.get(final or ss3 or "")


def _beginning(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of the end of a paste."""
    longest = min(len(text), len(_PASTE_ENDS) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(_PASTE_ENDS[:size])), 0)
