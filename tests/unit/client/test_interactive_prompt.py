"""The line being typed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.interactive.cells import cells
from services.client.interactive.keys import Key, Stroke
from services.client.interactive.prompt import LONGEST, REMEMBERED, Asked, History, Prompt, Result, Typed

L, R, H, E = Key.LEFT, Key.RIGHT, Key.HOME, Key.END


def typed(*strokes: Stroke) -> Prompt:
    prompt = Prompt(History())
    for stroke in strokes:
        prompt.press(stroke)
    return prompt


@pytest.mark.parametrize(
    ("strokes", "line"),
    [
        (["abc"], "abc|"),
        (["abc", L, "x"], "abx|c"),
        (["abc", H, "x"], "x|abc"),
        (["abc", H, R, "x", E, "y"], "axbcy|"),
        (["abc", R, R], "abc|"),
        (["abc", H, L], "|abc"),
        (["abc", Key.BACKSPACE], "ab|"),
        (["abc", H, Key.BACKSPACE], "|abc"),
        (["abc", H, Key.DELETE], "|bc"),
        (["abc", Key.DELETE], "abc|"),
        (["abc", L, Key.END_OF_INPUT], "ab|"),
        (["abc", L, Key.CUT_BEFORE], "|c"),
        (["abc", L, Key.CUT_AFTER], "ab|"),
        (["one two  ", Key.CUT_WORD], "one |"),
        (["one two", L, Key.CUT_WORD], "one |o"),
        (["  ", Key.CUT_WORD], "|"),
        (["a日", L, "b"], "ab|日"),
        (["ae\u0301", Key.BACKSPACE], "a|"),
        (["ae\u0301", L, Key.DELETE], "a|"),
        (["a\u0301b", H, R], "a\u0301|b"),
        (["\u0301", H, "a"], "a\u0301|"),  # it has something to stand on now
        (["a b\u0301", L, Key.CUT_BEFORE], "|b\u0301"),
        ([b"\xff".decode("utf-8", "surrogateescape"), "x", L, Key.BACKSPACE], "|x"),
    ],
)
def test_editing(strokes: list[Stroke], line: str) -> None:
    prompt = typed(*strokes)

    assert prompt.text[: prompt.cursor] + "|" + prompt.text[prompt.cursor :] == line


def test_enter_gives_the_line_and_begins_a_new_one() -> None:
    prompt = typed("hola", L)

    assert prompt.press(Key.ENTER) == Typed("hola")
    assert (prompt.text, prompt.cursor) == ("", 0)
    assert prompt.press(Key.ENTER) == Typed("")


@pytest.mark.parametrize(
    ("strokes", "last"),
    [
        ([Key.END_OF_INPUT], Asked.END),
        (["x", Key.BACKSPACE, Key.END_OF_INPUT], Asked.END),
        (["x", Key.CLEAR], Asked.CLEAR),
        ([Key.UP], Asked.BELL),
        ([Key.DOWN], Asked.BELL),
        (["x" * (LONGEST + 1)], Asked.BELL),
        (["x" * LONGEST, "y"], Asked.BELL),
        (["x"], None),
    ],
)
def test_what_a_stroke_asks_for(strokes: list[Stroke], last: Result) -> None:
    *before, stroke = strokes
    prompt = typed(*before)

    assert prompt.press(stroke) is last
    assert len(prompt.text) <= LONGEST


def test_history_is_walked_and_the_draft_comes_back() -> None:
    history = History(["one", "two"])
    prompt = Prompt(history)
    prompt.press("draft")

    seen = []
    for key in (Key.UP, Key.UP, Key.UP, Key.DOWN, Key.DOWN, Key.DOWN):
        prompt.press(key)
        seen.append(prompt.text)

    assert seen == ["two", "one", "one", "two", "draft", "draft"]
    assert prompt.cursor == len("draft")


def test_a_line_from_the_history_is_edited_as_a_new_one() -> None:
    history = History(["one"])
    prompt = Prompt(history)
    prompt.press(Key.UP)
    prompt.press("!")

    assert prompt.press(Key.ENTER) == Typed("one!")
    assert history.add("one!")
    prompt.press(Key.UP)
    prompt.press(Key.UP)
    assert prompt.text == "one"


def test_history_keeps_what_is_worth_it_and_no_more_than_its_limit() -> None:
    history = History([])

    assert [history.add(line) for line in ("a", "a", "", "  ", "b", "a")] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    for number in range(2 * REMEMBERED):
        history.add(str(number))
    prompt = Prompt(history)
    walked = 0
    while prompt.press(Key.UP) is None:
        walked += 1
    assert walked == REMEMBERED
    assert prompt.text == str(REMEMBERED)


STROKES = st.one_of(st.sampled_from(list(Key)), st.text("ab \té日\u0301\u0302\x1b\udcff", min_size=1))


@given(st.lists(STROKES), st.booleans())
def test_the_cursor_always_stands_between_two_cells(strokes: list[Stroke], utf8: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    prompt = Prompt(History(["old", "a\u0301"]), utf8=utf8)
    for stroke in strokes:
        prompt.press(stroke)
        places = [0]
        for cell in cells(prompt.text, utf8=utf8):
            places.append(places[-1] + cell.length)
        assert prompt.cursor in places


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_what_is_typed_is_what_is_sent(text: str) -> None:
    assert typed(*text).press(Key.ENTER) == Typed(text)
    assert typed(text, *[Key.BACKSPACE] * len(text)).text == ""
    assert unicodedata.is_normalized("NFC", text) == unicodedata.is_normalized("NFC", typed(text).text)
