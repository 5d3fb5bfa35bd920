"""How values are typed and shown: nothing is lost on the way there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire.errors import WordsError
from socketlab.wire.forms import COUNT, NUMBER, PAYLOAD, RATE, SHARE, SIZE, TIME, Form, duration, rate, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1.5", 1.5),
        ("0.5m", 30.0),
        ("0", 0.0),
        ("200MS", 0.2),
        ("0.1", 0.1),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "-1", "s", "1d", "1e3", "1 s", "nan", "inf", "\N{ARABIC-INDIC DIGIT ONE}s", "1" * 400, "1.s", ".5s"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(WordsError, match="TIME: expected 200ms"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("10mbit", 10_000_000),
        ("1.5gbit", 1_500_000_000),
        ("64kbit", 64_000),
        ("8000", 8000),
        ("8000bit", 8000),
    ],
)
def test_rates(text: str, bits: int) -> None:
    assert rate(text) == bits


@pytest.mark.parametrize("text", ["10mb", "10mbps", "1.5", "0.0001kbit", "-1mbit", "10 mbit", "x"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(WordsError, match="RATE: expected 10mbit"):
        rate(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1500", 1500),
        ("1500b", 1500),
        ("10kb", 10_000),
        ("16kib", 16_384),
        ("1mb", 1_000_000),
        ("1.5kb", 1500),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["1.5", "10k", "10kbit", "", "0.0001kb"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(WordsError, match="SIZE: expected 10kb"):
        size(text)


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (TIME, 0.2, "200ms"),
        (TIME, 1.5, "1.5s"),
        (TIME, 3600.0, "3600s"),
        (TIME, 0.0, "0s"),
        (TIME, 0.00025, "250us"),
        (TIME, 1, "1s"),
        (RATE, 10_000_000, "10mbit"),
        (RATE, 1_500_000_000, "1.5gbit"),
        (RATE, 12_345_678, "12.345678mbit"),
        (RATE, 100, "100bit"),
        (SIZE, 10_000, "10kb"),
        (SIZE, 16_384, "16384"),
        (SIZE, 0, "0"),
        (SHARE, 0.3, "30%"),
        (SHARE, 1, "100%"),
        (SHARE, 0.001, "0.1%"),
        (NUMBER, 5.0, "5"),
        (NUMBER, 2.5, "2.5"),
        (NUMBER, 10_000.0, "10000"),
        (COUNT, 3, "3"),
        (PAYLOAD, b"GET / \r\n\\\xff", r"GET / \x0d\x0a\\\xff"),
    ],
)
def test_what_is_shown(form: Form, value: object, shown: str) -> None:
    assert form.write(value) == shown
    assert form.value(shown, "-") == value


@given(st.floats(1e-6, 1e6))
def test_any_time_and_number_is_shown_to_the_last_digit(value: float) -> None:
    assert TIME.value(TIME.write(value), "-") == value
    assert NUMBER.value(NUMBER.write(value), "-") == value


@given(st.floats(1e-9, 1))
def test_any_share_is_shown_to_the_last_digit(value: float) -> None:
    assert SHARE.value(SHARE.write(value), "-") == value


@given(st.integers(0, 2**60))
def test_any_rate_and_size_is_shown_exactly(value: int) -> None:
    assert RATE.value(RATE.write(value), "-") == value
    assert SIZE.value(SIZE.write(value), "-") == value


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_can_be_typed(data: bytes) -> None:
    shown = PAYLOAD.write(data)
    assert shown.isascii()
    assert shown.isprintable()
    assert PAYLOAD.value(shown, "-") == data


@pytest.mark.parametrize(
    ("text", "data"),
    [("hello", b"hello"), (r"\r\n\t\0\\", b"\r\n\t\0\\"), (r"\xff\xAB", b"\xff\xab"), ("ñ", b"\xc3\xb1")],
)
def test_what_stands_for_bytes(text: str, data: bytes) -> None:
    assert PAYLOAD.value(text, "-") == data


@pytest.mark.parametrize("text", ["", "\\", r"\x", r"\x1", r"\q", "a\\", "\udc80"])
def test_what_stands_for_no_bytes(text: str) -> None:
    with pytest.raises(WordsError):
        PAYLOAD.value(text, "-")
