"""Frames and their payloads, without a session."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.protocol.errors import LocalProtocolError, RemoteProtocolError
from services.protocol.framing import (
    HEADER,
    JSON,
    LIMITS,
    MAGIC,
    Frame,
    FrameBuffer,
    Kind,
    Limits,
    frame,
    from_json,
    is_deeper,
    nesting,
    read_datagram,
    recognise,
    to_json,
)

SMALL = Limits(payload=64, depth=4)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
IDS = st.integers(0, 2**64 - 1)
BRACKETS = st.lists(
    st.sampled_from([b"[", b"{", b"]", b"}", b'"', b"\\", b'\\"', b"\\\\", b",", b":", b"a", b"1", b" "]),
    max_size=40,
).map(b"".join)


def outcome(segments: list[bytes], limits: Limits = LIMITS) -> tuple[list[Frame], str]:
    """All frames of a stream, and the code of what ended it before its time."""
    buffer = FrameBuffer(limits)
    found: list[Frame] = []
    try:
        for segment in segments:
            found.extend(buffer.frames(segment))
        buffer.finish()
    except RemoteProtocolError as error:
        return found, error.code
    return found, ""


def byte_by_byte(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


def offence(payload: bytes, depth: int = LIMITS.depth) -> str:
    """The code under which a payload is refused."""
    with pytest.raises(RemoteProtocolError) as caught:
        from_json(payload, depth)
    assert str(caught.value)
    return caught.value.code


@given(st.sampled_from(Kind), IDS, OBJECTS, st.integers(0, 2**64 - 1))
def test_what_is_framed_comes_out_again(kind: Kind, ident: int, value: dict[str, Any], sent_ns: int) -> None:
    data = frame(kind, ident, to_json(value), sent_ns)
    assert outcome([data]) == ([(kind, ident, value, sent_ns)], "")
    assert outcome(byte_by_byte(data)) == ([(kind, ident, value, sent_ns)], "")
    assert recognise(data) == (kind, ident)
    assert read_datagram(data) == (kind, ident, value, sent_ns)


def test_the_header_is_as_documented() -> None:
    assert frame(Kind.RESPONSE, 7, b"{}", 9) == (
        b"SLAB" + b"\x01\x04" + b"\0\0" + bytes(7) + b"\x07" + b"\0\0\0\x02" + bytes(7) + b"\x09" + b"{}"
    )
    assert HEADER.size == 28


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Frames one behind the other, at times with an offence among them, at times cut short."""
    parts = draw(
        st.lists(
            st.builds(frame, st.sampled_from(Kind), IDS, OBJECTS.map(to_json), st.just(5))
            | st.sampled_from(
                [
                    b"SLAX",
                    b"S",
                    frame(9, 1, b"{}", 0),
                    frame(3, 1, b"[]", 0),
                    frame(3, 1, b"{" + b" " * 99 + b"}", 0),
                    MAGIC + b"\2" + bytes(22),
                ]
            ),
            max_size=4,
        )
    )
    data = b"".join(parts)
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@given(streams(), st.data())
@settings(deadline=None)
def test_any_segmentation_gives_the_same_frames(data: bytes, cuts: st.DataObject) -> None:
    whole = outcome([data], SMALL)
    assert outcome(byte_by_byte(data), SMALL) == whole
    at = sorted(cuts.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    segments = [data[i:j] for i, j in zip([0, *at], [*at, len(data)], strict=True)]
    assert outcome([segment for segment in segments if segment], SMALL) == whole


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n", "protocol.bad-magic"),
        (b"G", "protocol.bad-magic"),
        (b"SLAM", "protocol.bad-magic"),
        (b"slab" + bytes(24), "protocol.bad-magic"),
        (HEADER.pack(MAGIC, 2, 3, 0, 1, 2, 0), "protocol.bad-version"),
        (HEADER.pack(MAGIC, 0, 3, 0, 1, 2, 0), "protocol.bad-version"),
        (HEADER.pack(MAGIC, 1, 0, 0, 1, 2, 0), "protocol.bad-type"),
        (HEADER.pack(MAGIC, 1, 6, 0, 1, 2, 0), "protocol.bad-type"),
        (HEADER.pack(MAGIC, 1, 3, 1, 1, 2, 0), "protocol.bad-flags"),
        (HEADER.pack(MAGIC, 1, 3, 0x8000, 1, 2, 0), "protocol.bad-flags"),
        (HEADER.pack(MAGIC, 1, 3, 0, 1, 65, 0), "protocol.payload-too-large"),
        (HEADER.pack(MAGIC, 1, 3, 0, 1, 2**32 - 1, 0), "protocol.payload-too-large"),
    ],
)
def test_an_offence_is_found_before_the_rest_has_come(data: bytes, code: str) -> None:
    before = frame(Kind.REQUEST, 1, b"{}", 0)
    buffer = FrameBuffer(SMALL)
    found: list[Frame] = []
    with pytest.raises(RemoteProtocolError) as caught:
        found.extend(buffer.frames(before + data))
    assert caught.value.code == code
    assert str(caught.value)
    assert outcome([before + data], SMALL) == ([(Kind.REQUEST, 1, {}, 0)], code)
    assert outcome(byte_by_byte(before + data), SMALL) == ([(Kind.REQUEST, 1, {}, 0)], code)


def test_the_longest_payload_is_accepted() -> None:
    payload = b"{" + b" " * (SMALL.payload - 2) + b"}"
    assert outcome([frame(Kind.REQUEST, 1, payload, 0)], SMALL) == ([(Kind.REQUEST, 1, {}, 0)], "")


@pytest.mark.parametrize("size", [1, 4, 27, 28, 29])
def test_a_stream_that_ends_within_a_frame_is_an_offence(size: int) -> None:
    data = frame(Kind.REQUEST, 1, b"{}", 0)
    assert outcome([data, data[:size]], SMALL) == ([(Kind.REQUEST, 1, {}, 0)], "protocol.unfinished-frame")


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_no_more_than_one_frame_is_held(segments: list[bytes]) -> None:
    buffer = FrameBuffer(SMALL)
    beginning = frame(Kind.REQUEST, 1, b"{}", 0) + HEADER.pack(MAGIC, 1, 3, 0, 2, SMALL.payload, 0)
    for segment in [beginning, *segments]:
        try:
            list(buffer.frames(segment))
        except RemoteProtocolError:
            return
        held = buffer._held or b""  # noqa: SLF001 - how much it holds shows nowhere else
        assert len(held) < HEADER.size + SMALL.payload
        assert buffer.unfinished == bool(held)


def test_a_megabyte_byte_by_byte_is_taken_in_linear_time() -> None:
    # Were each byte to cost a copy of what is held, this would copy 500 GB and run into the timeout.
    limits = Limits(payload=1024 * 1024)
    payload = to_json({"value": "x" * (limits.payload - 12)}, limits)
    assert len(payload) == limits.payload
    found, code = outcome(byte_by_byte(frame(Kind.REQUEST, 1, payload, 0)), limits)
    assert not code
    assert [len(str(value["value"])) for _, _, value, _ in found] == [limits.payload - 12]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\xff{}", "protocol.payload-not-utf8"),
        (b'{"a":"\xed\xa0\x80"}', "protocol.payload-not-utf8"),  # half a surrogate pair
        (b'{"a":"\xc3"}', "protocol.payload-not-utf8"),
        (b"", "protocol.not-json"),
        (b" ", "protocol.not-json"),
        (b"{", "protocol.not-json"),
        (b"{}{}", "protocol.not-json"),
        (b"{} x", "protocol.not-json"),
        (b"{'a':1}", "protocol.not-json"),
        (b'{"a":1,}', "protocol.not-json"),
        (b'{"a":"\n"}', "protocol.not-json"),
        (b"\xef\xbb\xbf{}", "protocol.not-json"),  # a byte order mark
        (b"\xc2\xa0{}", "protocol.not-json"),  # white space, but not of JSON
        (b"[]", "protocol.not-an-object"),
        (b'"{}"', "protocol.not-an-object"),
        (b"1", "protocol.not-an-object"),
        (b"null", "protocol.not-an-object"),
        (b'{"a":NaN}', "protocol.bad-number"),
        (b'{"a":Infinity}', "protocol.bad-number"),
        (b'{"a":[-Infinity]}', "protocol.bad-number"),
        (b'{"a":1e999}', "protocol.bad-number"),
        (b'{"a":-1.5e999}', "protocol.bad-number"),
        (b'{"a":' + b"9" * 5000 + b"}", "protocol.bad-number"),
        (b'{"a":-' + b"9" * 5000 + b"}", "protocol.bad-number"),
        (b"[" * 60_000, "protocol.too-deep"),
        (b'{"a":' * 60_000, "protocol.too-deep"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "protocol.too-deep"),
    ],
    ids=lambda given: repr(given[:20]),
)
def test_what_is_no_payload_is_refused(payload: bytes, code: str) -> None:
    assert offence(payload) == code


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b" \t\r\n{} \t\r\n", {}),
        (b'{"a":1e308,"b":-0.0}', {"a": 1e308, "b": -0.0}),
        (b'{"a":' + b"9" * 4000 + b"}", {"a": 10**4000 - 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        ('{"á":"\U0001f600"}'.encode(), {"á": "\U0001f600"}),
        (rb'{"a":"\ud83d\ude00"}', {"a": "\U0001f600"}),
    ],
    ids=lambda given: repr(given)[:20],
)
def test_what_json_allows_is_accepted(payload: bytes, value: dict[str, Any]) -> None:
    assert from_json(payload) == value


@pytest.mark.parametrize("depth", [1, 2, 31, 32])
def test_as_deep_as_allowed_is_accepted_and_one_more_is_not(depth: int) -> None:
    assert from_json(b'{"a":' * depth + b"1" + b"}" * depth, depth)
    assert offence(b'{"a":' * depth + b"[]" + b"}" * depth, depth) == "protocol.too-deep"


def test_wide_is_not_deep_and_brackets_in_strings_are_text() -> None:
    wide: list[JSON] = [[]] * 1000
    text = '[{"\\' * 1000
    assert from_json(to_json({"wide": wide, text: text})) == {"wide": wide, text: text}


def depth_of(value: Any) -> int:
    """How deep a decoded value is nested, told by walking through it."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(VALUES)
def test_nesting_is_that_of_the_decoded_value(value: Any) -> None:
    text = json.dumps(value).encode()
    depth = depth_of(value)
    assert nesting(text) == depth
    assert not depth or is_deeper(text, depth - 1)
    assert not is_deeper(text, depth)


@given(BRACKETS)
def test_no_decoder_goes_deeper_than_nesting_tells(payload: bytes) -> None:
    try:
        value = json.loads(payload)
    except ValueError:
        pass
    else:
        assert nesting(payload) == depth_of(value)
    # A plain scanner, which knows where strings begin and end, up to the first backslash outside them.
    deepest = depth = 0
    inside = escaped = False
    for byte in payload.decode():
        if inside:
            inside, escaped = escaped or byte != '"', not escaped and byte == "\\"
        elif byte == "\\":
            break
        elif byte == '"':
            inside = True
        else:
            depth += (byte in "[{") - (byte in "]}")
            deepest = max(deepest, depth)
    assert nesting(payload) >= deepest


@pytest.mark.parametrize("text", ["\ud800", "a\udfffé", "\ud800\ud800"])
def test_half_a_surrogate_pair_comes_back_as_its_escape(text: str) -> None:
    assert from_json(to_json({"a": text})) == {"a": text}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"a": math.nan}, "protocol.not-sendable"),
        ({"a": -math.inf}, "protocol.not-sendable"),
        ({"a": b"bytes"}, "protocol.not-sendable"),
        ({"a": 10**5000}, "protocol.not-sendable"),
        ({"a": "x" * 60}, "protocol.too-large-to-send"),
        ({"a": [[[[]]]]}, "protocol.too-deep-to-send"),
    ],
    ids=["nan", "infinity", "bytes", "digits", "size", "depth"],
)
def test_what_the_peer_would_not_accept_is_not_sent(value: Any, code: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        to_json(value, SMALL)
    assert caught.value.code == code
    assert str(caught.value)


def test_an_endless_value_is_not_sent() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(LocalProtocolError, match="JSON"):
            to_json({"a": value})


@pytest.mark.parametrize("datagram", [b"", b"SLAB", b"GET / HTTP/1.1\r\n" * 4, b"SLAX" + bytes(30)])
def test_strangers_are_not_recognised(datagram: bytes) -> None:
    assert recognise(datagram) is None


@pytest.mark.parametrize("tail", [-1, 1, 30])
def test_a_datagram_holds_exactly_one_frame(tail: int) -> None:
    datagram = frame(Kind.REQUEST, 1, b"{}", 0)
    changed = datagram[:tail] if tail < 0 else datagram + datagram[:tail]
    with pytest.raises(RemoteProtocolError) as caught:
        read_datagram(changed)
    assert caught.value.code == "protocol.bad-length"
