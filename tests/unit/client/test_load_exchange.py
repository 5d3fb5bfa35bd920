"""What is asked on one connection, and what counts as its answer."""

import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.load.datagram import NUMBER, DatagramEcho
from services.client.load.exchange import BrokenError, Exchange, StreamEcho, contents
from services.client.load.framed import FramedDatagrams, FramedStream, framed_contents
from services.client.load.tally import MISMATCH, Tally
from services.protocol.framed import FramedDatagrams as ServingDatagrams
from services.protocol.framed import FramedServing
from services.protocol.framing import HEADER, MAGIC, SESSION, Kind, frame, to_json

SIZE = 16


def stream(at_once: int = 5) -> tuple[StreamEcho, Tally]:
    tally = Tally()
    return StreamEcho(itertools.cycle(contents(SIZE * at_once)), SIZE, tally), tally


def datagrams() -> tuple[DatagramEcho, Tally]:
    tally = Tally()
    return DatagramEcho(b"filling", tally), tally


def framed_stream() -> tuple[FramedStream, FramedServing, Tally]:
    """A session that has been welcomed, and its server."""
    tally = Tally()
    exchange, server = FramedStream(framed_contents(SIZE), "nonce", tally), FramedServing()
    before = exchange.ready
    ended = exchange.take(server.receive(exchange.hello()), 0)
    assert (before, exchange.ready, ended) == (False, True, 0)
    return exchange, server, tally


def framed_datagrams() -> tuple[FramedDatagrams, ServingDatagrams, Tally]:
    tally = Tally()
    return FramedDatagrams(framed_contents(SIZE, "nonce"), tally), ServingDatagrams(), tally


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """`data`, cut into pieces of these sizes, over and over."""
    sizes = itertools.cycle(cuts)
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        at += size


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_a_stream_may_be_cut_anywhere(counts: list[int], cuts: list[int]) -> None:
    exchange, tally = stream()
    sent = b"".join(exchange.ask(count, 10, 20) for count in counts)

    ended = sum(exchange.take(piece, 110) for piece in pieces(sent, cuts))

    assert ended == tally.answered == tally.latency.total == sum(counts)
    assert tally.latency.percentiles([1.0, 100.0]) == [100, 100]
    assert (exchange.outstanding, exchange.oldest()) == (0, None)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data(), st.integers(1, 40))
def test_a_wrong_byte_is_found_wherever_it_is(counts: list[int], data: st.DataObject, cut: int) -> None:
    exchange, tally = stream()
    wrong = bytearray(b"".join(exchange.ask(count, 1, 2) for count in counts))
    at = data.draw(st.integers(0, len(wrong) - 1))
    wrong[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(BrokenError) as caught:
        [exchange.take(piece, 3) for piece in pieces(bytes(wrong), [cut])]

    assert (caught.value.call, caught.value.what) == ("recv", MISMATCH)
    assert tally.answered <= at // SIZE  # and none that was not whole
    assert exchange.outstanding == sum(counts) - tally.answered


def test_the_fast_loop_can_take_over_and_hand_back() -> None:
    exchange, tally = stream(at_once=2)
    first = exchange.ask(2, 5, 5)
    assert (exchange.whole, exchange.at, exchange.oldest()) == (first, 5, 5)
    exchange.whole = second = next(exchange.payloads)  # as the loop does after the answer
    exchange.at = 9

    assert exchange.take(second[: SIZE + 3], 10) == 1
    assert exchange.take(second[SIZE + 3 :], 12) == 1
    assert tally.latency.percentiles([50.0, 100.0]) == [1, 3]
    third = exchange.ask(2, 20, 20)
    assert exchange.whole == third
    assert exchange.take(third, 29) == 2
    assert tally.latency.percentiles([100.0]) == [9]


@pytest.mark.parametrize(("count", "at"), [(1, 5), (2, 4)])
def test_what_is_less_than_all_or_had_to_wait_is_not_for_the_fast_loop(count: int, at: int) -> None:
    exchange, _ = stream(at_once=2)
    exchange.ask(count, at, 5)

    assert exchange.whole is None
    assert exchange.outstanding == count


def test_the_requests_of_one_connection_differ() -> None:
    exchange, _ = stream()

    assert len({exchange.ask(1, 0, 1) for _ in range(50)}) == 50


def test_a_request_that_had_to_wait_counts_from_when_it_was_due() -> None:
    exchange, tally = stream()
    sent = exchange.ask(1, 100, 700)

    assert exchange.oldest() == 700
    exchange.take(sent, 900)
    assert tally.latency.percentiles([100.0]) == [800]


@pytest.mark.parametrize("asked", [0, 1])
def test_more_than_was_asked_for_is_wrong(asked: int) -> None:
    exchange, tally = stream()
    sent = exchange.ask(1, 1, 1) if asked else b""

    with pytest.raises(BrokenError):
        exchange.take(sent + b"x", 2)
    assert tally.answered == asked


def test_of_a_stream_only_what_is_out_for_too_long_is_overdue() -> None:
    exchange, _ = stream()
    first = exchange.ask(3, 10, 10)
    exchange.ask(2, 20, 20)
    assert exchange.overdue(9) == 0
    assert exchange.overdue(10) == 3
    exchange.take(first[: SIZE + 1], 21)

    assert exchange.overdue(10) == 2
    assert exchange.overdue(20) == 4
    assert exchange.oldest() == 10


@given(st.permutations(range(8)))
def test_datagrams_come_in_any_order(order: list[int]) -> None:
    exchange, tally = datagrams()
    sent = [exchange.ask(1, at, at) for at in range(8)]
    assert exchange.outstanding == 8

    assert [exchange.take(sent[index], 100 + index) for index in order] == [1] * 8
    assert tally.latency.percentiles([1.0, 100.0]) == [100, 100]
    assert exchange.outstanding == 0


def test_a_second_answer_is_a_duplicate_and_a_late_one_is_late() -> None:
    exchange, tally = datagrams()
    first, second, third = (exchange.ask(1, at, at) for at in (10, 20, 30))
    exchange.take(second, 40)
    assert exchange.take(second, 41) == 0
    assert exchange.oldest() == 10
    assert exchange.overdue(10) == 1

    assert [exchange.take(datagram, 50) for datagram in (first, first, third)] == [0, 0, 1]
    assert (tally.answered, tally.duplicates, tally.late) == (2, 2, 1)
    assert exchange.outstanding == 0
    assert not tally.errors


def test_the_fast_loop_leaves_duplicates_to_be_known() -> None:
    exchange, tally = datagrams()
    first = exchange.ask(1, 10, 10)
    assert exchange.whole == first
    exchange.whole = second = next(exchange.payloads)
    exchange.at = 20

    assert exchange.take(first, 30) == 0
    assert exchange.take(second, 31) == 1
    assert exchange.take(second, 32) == 0
    assert (tally.answered, tally.duplicates) == (1, 2)
    exchange.ask(1, 40, 40)
    assert exchange.overdue(40) == 1


@pytest.mark.parametrize("where", [NUMBER.size, -1])
def test_a_datagram_with_a_wrong_byte_ends_its_request(where: int) -> None:
    exchange, tally = datagrams()
    wrong = bytearray(exchange.ask(1, 1, 1))
    wrong[where] ^= 1

    assert exchange.take(bytes(wrong), 2) == 1
    assert (tally.answered, tally.mismatched) == (0, 1)
    assert tally.errors == {("recv", MISMATCH): 1}


@pytest.mark.parametrize("strange", [b"", b"short", NUMBER.pack(0) + b"filling"])
def test_a_datagram_that_answers_nothing(strange: bytes) -> None:
    exchange, tally = datagrams()
    exchange.ask(1, 1, 1)

    with pytest.raises(BrokenError):
        exchange.take(strange, 2)
    assert (exchange.outstanding, tally.mismatched) == (1, 0)


def test_only_so_many_lost_datagrams_are_remembered() -> None:
    exchange, tally = datagrams()
    sent = [exchange.ask(1, 1, 1) for _ in range(5000)]
    assert exchange.overdue(1) == 5000

    exchange.take(sent[-1], 2)
    exchange.take(sent[0], 2)
    assert (tally.late, tally.duplicates) == (1, 1)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.lists(st.integers(1, 90), min_size=1))
def test_framed_answers_may_be_cut_anywhere(counts: list[int], cuts: list[int]) -> None:
    exchange, server, tally = framed_stream()
    answers = b"".join(server.receive(exchange.ask(count, 10, 20)) for count in counts)

    ended = sum(exchange.take(piece, 30) for piece in pieces(answers, cuts))

    assert ended == tally.answered == sum(counts)
    assert exchange.outstanding == 0


@given(st.permutations(range(6)), st.booleans())
def test_framed_answers_come_in_any_order(order: list[int], at_once: bool) -> None:  # noqa: FBT001 - drawn
    exchange, server, tally = framed_stream()
    answers = [server.receive(exchange.ask(1, 1, 1)) for _ in order]
    shuffled = [answers[index] for index in order]

    for data in [b"".join(shuffled)] if at_once else shuffled:
        exchange.take(data, 2)
    assert tally.answered == len(order)


def test_json_that_is_written_otherwise_is_right_too() -> None:
    exchange, _, tally = framed_stream()
    request = exchange.ask(1, 1, 1)
    value = json.loads(request[HEADER.size :])["value"]
    ident = HEADER.unpack_from(request)[4]

    answer = frame(Kind.RESPONSE, ident, json.dumps({"more": 1, "value": value}).encode(), 0)

    assert exchange.take(answer, 2) == 1
    assert (tally.answered, tally.mismatched) == (1, 0)


def test_a_framed_answer_that_is_wrong_costs_its_request_only() -> None:
    exchange, server, tally = framed_stream()
    asked = exchange.ask(1, 1, 1), exchange.ask(1, 1, 1), exchange.ask(1, 1, 1)
    ids = [HEADER.unpack_from(each)[4] for each in asked]
    wrong = frame(Kind.RESPONSE, ids[0], to_json({"value": "wrong"}), 0)
    refused = frame(Kind.ERROR, ids[1], to_json({"code": "busy", "why": "so"}), 0)

    assert exchange.take(wrong + refused + server.receive(asked[2]), 2) == 3
    assert (tally.answered, tally.mismatched) == (1, 2)
    assert tally.errors == {("recv", MISMATCH): 1, ("recv", "busy"): 1}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (frame(Kind.ERROR, SESSION, to_json({"code": "given-up", "why": "slow"}), 0), "given-up"),
        (frame(Kind.ERROR, SESSION, to_json({"code": "a\x1b[2J b", "why": ""}), 0), MISMATCH),
        (frame(Kind.ERROR, SESSION, to_json({"code": 1}), 0), MISMATCH),
        (frame(Kind.RESPONSE, 2**60, to_json({"value": 1}), 0), MISMATCH),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "bad-magic"),
    ],
)
def test_what_ends_a_framed_session(data: bytes, what: str) -> None:
    exchange, _, _ = framed_stream()
    exchange.ask(1, 1, 1)

    with pytest.raises(BrokenError) as caught:
        exchange.take(data, 2)
    assert (caught.value.call, caught.value.what) == ("recv", what)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (frame(Kind.ERROR, SESSION, to_json({"code": "bad-version", "why": "old"}), 0), "bad-version"),
        (frame(Kind.HELLO, SESSION, b"{}", 0), "unexpected-type"),
        (b"220 ready\r\n", "bad-magic"),
        (MAGIC + bytes(24), "bad-version"),
    ],
)
def test_what_ends_a_handshake(data: bytes, what: str) -> None:
    exchange = FramedStream(framed_contents(SIZE), "nonce", Tally())
    exchange.hello()

    with pytest.raises(BrokenError) as caught:
        exchange.take(data, 2)
    assert (caught.value.call, caught.value.what) == ("handshake", what)


def test_framed_requests_overdue() -> None:
    exchange, server, _ = framed_stream()
    answer = server.receive(exchange.ask(1, 1, 1))
    exchange.ask(2, 5, 5)
    exchange.take(answer, 2)

    assert (exchange.oldest(), exchange.overdue(4), exchange.overdue(5)) == (5, 0, 2)


def test_framed_datagrams_are_answered_doubled_and_late() -> None:
    exchange, server, tally = framed_datagrams()
    answers = [server.receive(exchange.ask(1, at, at), "peer") for at in (10, 20, 30)]
    first, second, third = (answer or b"" for answer in answers)
    assert exchange.overdue(10) == 1

    assert [exchange.take(each, 40) for each in (third, third, first, second)] == [1, 0, 0, 1]
    assert (tally.answered, tally.duplicates, tally.late) == (2, 1, 1)


def test_framed_datagrams_that_are_wrong() -> None:
    exchange, _, tally = framed_datagrams()
    ids = [HEADER.unpack_from(exchange.ask(1, 1, 1))[4] for _ in range(3)]

    assert exchange.take(frame(Kind.RESPONSE, ids[0], to_json({"value": "wrong"}), 0), 2) == 1
    assert exchange.take(frame(Kind.ERROR, ids[1], to_json({"code": "busy", "why": ""}), 0), 2) == 1
    assert exchange.take(frame(Kind.RESPONSE, ids[2], b"{}", 0)[:-1], 2) == 1
    with pytest.raises(BrokenError):
        exchange.take(b"no frame", 2)
    assert (tally.mismatched, tally.answered, exchange.outstanding) == (3, 0, 0)
    assert tally.errors == {("recv", MISMATCH): 1, ("recv", "busy"): 1, ("recv", "bad-length"): 1}


def test_datagrams_and_streams_are_exchanges() -> None:
    made: list[Exchange] = [stream()[0], datagrams()[0], framed_stream()[0], framed_datagrams()[0]]

    for exchange in made:
        assert (exchange.outstanding, exchange.oldest(), exchange.ready) == (0, None, True)
        assert exchange.ask(1, 0, 1)
        assert (exchange.outstanding, exchange.oldest()) == (1, 1)


def test_a_peer_cannot_make_us_count_ever_more_kinds_of_errors() -> None:
    tally = Tally()
    for number in range(1000):
        tally.fail("recv", f"code-{number}")

    assert len(tally.errors) <= 101
    assert sum(tally.errors.values()) == 1000
    assert tally.errors["recv", "other"] == 900
