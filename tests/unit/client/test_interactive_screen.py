"""Nothing is torn: whatever comes while whatever is typed, shown by a terminal.

What stands above and the line being typed are compared with what a terminal shows that has obeyed every byte.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.client.interactive.cells import cells, columns_of, escaped
from services.client.interactive.keys import Keyboard
from services.client.interactive.prompt import Asked, History, Prompt, Typed
from services.client.interactive.screen import NARROWEST, PROMPT, Screen
from tests.unit.client.terminal_model import TerminalModel, columns


@dataclass
class Desk:
    """A prompt, a screen and the terminal that shows it."""

    width: int = 40
    utf8: bool = True
    reflows: bool = False
    above: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.terminal = TerminalModel(self.width, 12, reflows=self.reflows)
        self.screen = Screen(self.width, utf8=self.utf8)
        self.keyboard = Keyboard()
        self.prompt = Prompt(History(["earlier"]), utf8=self.utf8)
        self.update()

    def type(self, data: bytes) -> None:
        for stroke in self.keyboard.feed(data):
            match self.prompt.press(stroke):
                case Typed(text):
                    self.show(text, PROMPT)
                case Asked.BELL:
                    self.screen.ring()
        self.update()

    def hear(self, text: str) -> None:
        self.show(text, "< ")
        self.update()

    def show(self, text: str, prefix: str) -> None:
        self.above.append((prefix, text))
        self.screen.above(text, prefix)

    def resize(self, width: int) -> None:
        self.terminal.resize(width)
        self.screen.resize(width)
        self.update()

    def update(self) -> None:
        self.terminal.feed(self.screen.update(self.prompt.text, self.prompt.cursor))


def lines_of(rows: list[str]) -> list[str]:
    """The lines that rows were cut from: a row that is indented belongs to the one above."""
    lines: list[str] = []
    for row in rows:
        if row.startswith("  ") and lines:
            lines[-1] += row[2:]
        else:
            lines.append(row)
    return lines


def check(desk: Desk) -> None:
    """All stands above in order, and below it, on one row, the line and the cursor."""
    *above, _ = desk.terminal.rows
    expected = [prefix + escaped(text, utf8=desk.utf8) for prefix, text in desk.above]
    assert lines_of(above) == expected
    check_line(desk)


def check_line(desk: Desk) -> None:
    row, column = desk.terminal.cursor
    last, *below = desk.terminal.rows[row:]
    before = escaped(desk.prompt.text[: desk.prompt.cursor], utf8=desk.utf8)
    behind = escaped(desk.prompt.text[desk.prompt.cursor :], utf8=desk.utf8)
    shown = last + " " * (column - columns(last))
    assert not any(below)
    assert columns(last) < desk.terminal.columns
    if columns(PROMPT + before + behind) < desk.terminal.columns:
        assert shown == PROMPT + before + behind
        assert column == columns(PROMPT + before)
        return
    left, right = split(shown, column)
    assert left.startswith(PROMPT)
    assert before.endswith(left.removeprefix(PROMPT).removeprefix("<"))
    assert left.startswith(PROMPT + "<") or left == PROMPT + before
    assert behind == right or (right.endswith(">") and behind.startswith(right[:-1]))
    assert right or not behind


def split(text: str, column: int) -> tuple[str, str]:
    """A row as it stands on the terminal, cut at a column."""
    at = 0
    for number, cell in enumerate(text):
        if at >= column and columns(cell):
            return text[:number], text[number:]
        at += columns(cell)
    return text, ""


TYPED = st.one_of(
    st.text("ab <> é日\u0301\t\ufe0f", min_size=1, max_size=60).map(str.encode),
    st.sampled_from(
        [
            b"\r",
            b"\x01",
            b"\x05",
            b"\x0b",
            b"\x15",
            b"\x17",
            b"\x7f",
            b"\x1b[D",
            b"\x1b[C",
            b"\x1b[A",
            b"\x1b[3~",
        ]
    ),
    st.just(b"\x1b[200~two\rlines\x1b[201~"),
    st.binary(min_size=1, max_size=4),
)
HEARD = st.one_of(
    st.text("ab日\u0301 é", min_size=0, max_size=120),
    st.text(st.characters(exclude_categories=[]), max_size=30),
    st.just("\x1b[2J\x1b[H\r\n\a"),
)
ACTION = st.one_of(
    TYPED.map(lambda data: (Desk.type, data)),
    HEARD.map(lambda text: (Desk.hear, text)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTION, max_size=25), st.integers(NARROWEST, 80), st.booleans())
def test_whatever_comes_while_whatever_is_typed(
    actions: list[tuple[Callable[[Desk, object], None], object]],
    width: int,
    utf8: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    desk = Desk(width=width, utf8=utf8)
    check(desk)
    for do, what in actions:
        do(desk, what)
        check(desk)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(ACTION, st.integers(NARROWEST, 80).map(lambda width: (Desk.resize, width))), max_size=25
    ),
    st.booleans(),
)
def test_a_terminal_that_changes_its_width_loses_nothing(
    actions: list[tuple[Callable[[Desk, object], None], object]],
    reflows: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    desk = Desk(reflows=reflows)
    for do, what in actions:
        do(desk, what)
        check_line(desk)
    there = "".join(desk.terminal.rows).replace(" ", "")
    at = 0
    for _, text in desk.above:
        for char in escaped(text).replace(" ", ""):
            at = there.find(char, at) + 1
            assert at, f"{text!r} is not there any more: {desk.terminal.rows}"


def test_an_answer_stands_above_what_is_being_typed() -> None:
    desk = Desk()
    desk.type(b"hal\x1b[D")
    desk.hear("first")
    desk.type(b"o")
    desk.hear("second")

    assert desk.terminal.rows == ["< first", "< second", "> haol"]
    assert desk.terminal.cursor == (2, 5)


def test_what_is_deleted_in_the_middle_leaves_nothing() -> None:
    desk = Desk()
    desk.type(b"abcdef\x01\x1b[3~")

    assert desk.terminal.rows == ["> bcdef"]
    assert desk.terminal.cursor == (0, 2)


def test_of_a_long_line_the_part_around_the_cursor_is_shown() -> None:
    desk = Desk(width=20)
    desk.type(b"0123456789abcdefghijklmnopqrstuvwxyz")
    assert desk.terminal.rows == ["> <lmnopqrstuvwxyz"]

    desk.type(b"\x01")
    assert desk.terminal.rows == ["> 0123456789abcde>"]
    assert desk.terminal.cursor == (0, 2)

    desk.type(b"\x1b[C" * 18)
    assert desk.terminal.rows == ["> <89abcdefghijklm>"]
    assert desk.terminal.cursor == (0, 13)

    desk.type(b"\r")
    assert desk.terminal.rows == ["> 0123456789abcdefg", "  hijklmnopqrstuvwx", "  yz", "> "]


def test_nothing_is_written_where_nothing_has_changed() -> None:
    screen = Screen(40)

    assert screen.update("abc", 3)
    assert screen.update("abc", 3) == ""
    assert screen.update("abc", 2)
    screen.forget()
    assert screen.update("abc", 2)


def test_the_prompt_goes_and_leaves_nothing() -> None:
    desk = Desk()
    desk.type(b"half a line")
    desk.terminal.feed(desk.screen.update(None))

    assert desk.terminal.rows == [""]
    assert desk.screen.update(None) == ""


def test_an_empty_screen_and_the_bell() -> None:
    desk = Desk()
    desk.hear("gone")
    desk.screen.clear()
    desk.screen.ring()
    desk.type(b"stays")

    assert desk.terminal.rows == ["> stays", ""]
    assert desk.terminal.bells == 1


@pytest.mark.parametrize("told", [0, 1, 19])
def test_a_terminal_narrower_than_any_is_taken_for_a_narrow_one(told: int) -> None:
    said = Screen(told).update("x" * 100, 100)

    assert columns_of(cells(said.split("\r")[1].removesuffix("\x1b[J"))) == NARROWEST - 2
