"""The line layer: no input crashes it, hangs it or makes it grow."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire import LIMITS, Limits, LineBuffer, SocketlabError, WireError
from socketlab.wire.lines import parse, render

SMALL = Limits(line=200, depth=4, items=3)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        result: object = parse(data, SMALL)
    except WireError as error:
        result = str(error)
    assert result is not None
    assert isinstance(result, dict | str)


@given(st.dictionaries(st.text(max_size=6), json_values, max_size=4))
def test_what_is_rendered_is_parsed_back(plain: dict[str, object]) -> None:
    try:
        line = render(plain)
    except WireError:
        text = json.dumps(plain)
        assert "\\ud" in text or text.count("[") + text.count("{") > LIMITS.depth
    else:
        assert line.count(b"\n") == 1
        assert parse(line) == plain


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a":1' + b" " * 200 + b"}", "wire-line"),
        (b'{"a":[[[[1]]]]}', "wire-depth"),
        (b'{"a":[1,2,3,4]}', "wire-items"),
        (b'{"a":1,"b":1,"c":1,"d":1}', "wire-items"),
        (b'{"a":1,"a":2}', "wire-duplicate"),
        (b'{"a":NaN}', "wire-number"),
        (b'{"a":-Infinity}', "wire-number"),
        (b'{"a":1e999}', "wire-number"),
        (b'{"a":9223372036854775808}', "wire-number"),
        (b'{"a":' + b"1" * 150 + b"}", "wire-number"),
        (b'{"a":"\\ud800"}', "wire-surrogate"),
        (b'{"\\udfff":1}', "wire-surrogate"),
        (b'{"a":"\xff"}', "wire-json"),
        (b'{"a":', "wire-json"),
        (b"", "wire-json"),
        (b"[1]", "wire-object"),
        (b'"a"', "wire-object"),
    ],
)
def test_what_the_wire_does_not_allow_is_refused(line: bytes, code: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(line, SMALL)
    assert caught.value.code == code


def test_brackets_inside_a_text_are_no_nesting() -> None:
    assert parse(b'{"a":"[[[[[[[[\\"[[["}', SMALL) == {"a": '[[[[[[[["[[['}


def test_deep_nesting_is_refused_before_the_parser_sees_it() -> None:
    deep = b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    with pytest.raises(WireError) as caught:
        parse(deep)
    assert caught.value.code == "wire-depth"


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_the_same_whatever_the_segmentation(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    buffer, seen = LineBuffer(limit=20), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += buffer.feed(stream[:size])
        stream = stream[size:]
    assert seen == lines
    assert buffer.unfinished == b""


def test_an_endless_line_is_refused_and_not_kept() -> None:
    buffer = LineBuffer(limit=100)
    for _ in range(10):
        assert buffer.feed(b"x" * 10) == []
    with pytest.raises(WireError):
        buffer.feed(b"x")
    assert buffer.unfinished == b""


def test_an_error_of_the_wire_is_a_socketlab_error() -> None:
    with pytest.raises(SocketlabError, match="at most 100 bytes"):
        LineBuffer(limit=100).feed(b"x" * 101)
