"""A pump, without sockets: two sources, two sinks, and whoever is slow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.protocol.errors import LocalProtocolError
from services.protocol.pump import PIECE_LEAST, PIECE_MOST, Pump, Side

PIECES = st.binary(min_size=1, max_size=40)


def is_to_end(side: Side) -> bool:
    return side.ends


def test_what_one_side_sends_the_other_takes() -> None:
    pump = Pump(0.0)
    pump.received(pump.near, b"there", 1.0)
    pump.received(pump.far, b"back", 1.0)

    assert bytes(pump.far.unsent) == b"there"
    assert bytes(pump.near.unsent) == b"back"


def test_a_side_is_read_again_when_the_other_has_taken_everything() -> None:
    pump = Pump(0.0)
    pump.received(pump.near, b"abc", 1.0)
    assert not pump.near.reads
    assert pump.far.reads  # the other direction does not wait

    pump.sent(pump.far, 2, 2.0)
    assert bytes(pump.far.unsent) == b"c"
    assert not pump.near.reads

    pump.sent(pump.far, 1, 3.0)
    assert pump.near.reads


def test_a_side_that_is_not_to_be_read_is_a_mistake_of_ours() -> None:
    pump = Pump(0.0)
    pump.received(pump.near, b"abc", 1.0)
    with pytest.raises(LocalProtocolError) as caught:
        pump.received(pump.near, b"d", 1.0)
    assert caught.value.code == "protocol.not-to-be-read"


def test_bytes_after_the_end_are_a_mistake_of_ours() -> None:
    pump = Pump(0.0)
    pump.received(pump.far, b"", 1.0)
    with pytest.raises(LocalProtocolError):
        pump.received(pump.far, b"d", 1.0)


def test_the_end_goes_behind_the_data() -> None:
    pump = Pump(0.0)
    pump.received(pump.near, b"last", 1.0)
    pump.sent(pump.far, 4, 1.0)
    assert not is_to_end(pump.far)
    pump.received(pump.near, b"", 1.0)

    assert pump.near.finished
    assert is_to_end(pump.far)
    pump.ended(pump.far, 1.0)
    assert not is_to_end(pump.far)  # once


def test_half_closed_it_still_carries_the_other_way() -> None:
    pump = Pump(0.0)
    pump.received(pump.near, b"", 1.0)
    pump.ended(pump.far, 1.0)
    assert (pump.near.done, pump.far.done, pump.over) == (False, False, False)

    pump.received(pump.far, b"answer", 2.0)
    pump.sent(pump.near, 6, 2.0)
    pump.received(pump.far, b"", 2.0)
    assert (pump.near.done, pump.far.done, pump.over) == (False, True, False)
    pump.ended(pump.near, 2.0)
    assert (pump.near.done, pump.far.done, pump.over) == (True, True, True)


def test_the_piece_grows_for_a_source_that_fills_it_and_only_so_far() -> None:
    pump = Pump(0.0)
    pump.received(pump.near, b"short", 1.0)
    pump.sent(pump.far, 5, 1.0)
    assert pump.near.piece == PIECE_LEAST

    for _ in range(20):
        size = pump.near.piece
        pump.received(pump.near, bytes(size), 1.0)
        pump.sent(pump.far, size, 1.0)
    assert pump.near.piece == PIECE_MOST
    assert pump.far.piece == PIECE_LEAST


class TestAwaited:
    """Whether the far side owes an answer."""

    def test_nothing_is_owed_at_first_or_for_what_it_has_not_taken(self) -> None:
        pump = Pump(0.0)
        assert pump.awaited is None
        pump.received(pump.near, b"question", 1.0)
        assert pump.awaited is None

    def test_it_is_owed_since_the_last_byte_was_taken(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.near, b"question", 1.0)
        pump.sent(pump.far, 4, 2.0)
        assert pump.awaited == 2.0
        pump.sent(pump.far, 4, 3.0)
        assert pump.awaited == 3.0

    def test_nothing_taken_changes_nothing(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.near, b"question", 1.0)
        pump.sent(pump.far, 0, 2.0)
        assert pump.awaited is None
        assert pump.moved == 1.0

    @pytest.mark.parametrize("answer", [b"a", b""], ids=["a byte", "the end"])
    def test_whatever_comes_back_is_an_answer(self, answer: bytes) -> None:
        pump = Pump(0.0)
        pump.received(pump.near, b"question", 1.0)
        pump.sent(pump.far, 8, 1.0)
        pump.received(pump.far, answer, 2.0)
        assert pump.awaited is None
        pump.sent(pump.near, len(answer), 2.0)
        assert pump.awaited is None

    def test_the_answer_to_the_one_before_is_none_to_the_next(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.far, b"answer", 1.0)
        pump.sent(pump.near, 6, 1.0)
        pump.received(pump.near, b"question", 1.0)
        pump.sent(pump.far, 8, 1.0)  # all in one moment, as a clock may see it
        assert pump.awaited == 1.0

    def test_its_time_stands_still_while_it_is_not_listened_to(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.far, b"answer", 1.0)
        pump.received(pump.near, b"question", 1.0)
        pump.sent(pump.far, 8, 1.0)
        assert pump.awaited is None  # what it says next would not be read

        pump.sent(pump.near, 5, 50.0)
        assert pump.awaited is None
        pump.sent(pump.near, 1, 60.0)
        assert pump.awaited == 60.0

    def test_nothing_is_owed_by_a_side_that_has_closed(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.far, b"", 1.0)
        pump.received(pump.near, b"more", 2.0)
        pump.sent(pump.far, 4, 2.0)
        assert pump.awaited is None


class TestUnsentSince:
    """How long a side has taken nothing."""

    def test_it_counts_from_the_offer_and_from_each_byte_taken(self) -> None:
        pump = Pump(0.0)
        pump.received(pump.far, b"abc", 5.0)
        assert pump.near.unsent_since == 5.0
        pump.sent(pump.near, 1, 7.0)
        assert pump.near.unsent_since == 7.0
        pump.received(pump.near, b"more", 8.0)
        assert pump.near.unsent_since == 7.0  # what it sends is no sign that it reads
        pump.sent(pump.near, 2, 9.0)
        assert pump.near.unsent_since is None


@given(st.lists(PIECES, max_size=20), st.integers(1, 50))
def test_any_sizes_arrive_whole_and_in_order(pieces: list[bytes], taken: int) -> None:
    pump, arrived = Pump(0.0), bytearray()
    for piece in pieces:
        pump.received(pump.near, piece, 1.0)
        while offered := pump.far.unsent:
            arrived += offered[:taken]
            pump.sent(pump.far, min(taken, len(offered)), 1.0)
    assert bytes(arrived) == b"".join(pieces)


class Pumping(RuleBasedStateMachine):
    """Both sides send, take and close in any order, and time goes on."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.pump = Pump(self.now)
        self.sent = {self.pump.near: bytearray(), self.pump.far: bytearray()}
        self.taken = {self.pump.near: bytearray(), self.pump.far: bytearray()}
        self.told: list[Side] = []

    def other(self, side: Side) -> Side:
        return self.pump.far if side is self.pump.near else self.pump.near

    def side(self, near: bool) -> Side:  # noqa: FBT001 - a draw
        return self.pump.near if near else self.pump.far

    @rule(near=st.booleans(), data=PIECES)
    def send(self, near: bool, data: bytes) -> None:  # noqa: FBT001 - a draw
        side = self.side(near)
        if side.reads:
            self.pump.received(side, data, self.now)
            self.sent[side] += data

    @rule(near=st.booleans())
    def finish(self, near: bool) -> None:  # noqa: FBT001 - a draw
        side = self.side(near)
        if side.reads:
            self.pump.received(side, b"", self.now)

    @rule(near=st.booleans(), most=st.integers(1, 60))
    def take(self, near: bool, most: int) -> None:  # noqa: FBT001 - a draw
        side = self.side(near)
        count = min(most, len(side.unsent))
        self.taken[side] += side.unsent[:count]
        self.pump.sent(side, count, self.now)

    @rule(near=st.booleans())
    def tell_the_end(self, near: bool) -> None:  # noqa: FBT001 - a draw
        side = self.side(near)
        if side.ends:
            self.told.append(side)
            self.pump.ended(side, self.now)

    @rule(seconds=st.floats(0.1, 100.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost_or_invented(self) -> None:
        for side in (self.pump.near, self.pump.far):
            source = self.sent[self.other(side)]
            assert bytes(self.taken[side]) + bytes(side.unsent) == bytes(source)

    @invariant()
    def an_end_is_told_once_and_behind_everything(self) -> None:
        assert len(self.told) == len(set(self.told))
        for side in self.told:
            assert self.other(side).finished
            assert self.taken[side] == self.sent[self.other(side)]

    @invariant()
    def there_is_always_something_to_do_until_it_is_over(self) -> None:
        busy = any(s.reads or s.unsent or s.ends for s in (self.pump.near, self.pump.far))
        assert busy != self.pump.over

    @invariant()
    def no_time_is_in_the_future(self) -> None:
        pump = self.pump
        times = (pump.moved, pump.awaited, pump.near.unsent_since, pump.far.unsent_since)
        assert all(0.0 <= time <= self.now for time in times if time is not None)

    @precondition(lambda self: self.pump.over)
    @rule()
    def over_is_over(self) -> None:
        assert len(self.told) == 2
        assert self.pump.awaited is None


TestPumping = Pumping.TestCase
TestPumping.settings = settings(max_examples=50, stateful_step_count=30)
