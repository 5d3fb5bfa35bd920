"""How long a peer may be silent, or slow."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.protocol.serving import Stage
from services.server.patience import Patience
from services.server.service import Limits

LIMITS = Limits(idle=100.0, handshake=10.0, message=20.0, quiet=0.5)
ACCEPTED = 1000.0


@dataclass
class Waiting:
    """What a connection's protocol waits for."""

    stage: Stage = Stage.BETWEEN
    messages: int = 0
    due: float | None = None
    over: str | None = None

    def receive(self, data: bytes) -> bytes:
        raise AssertionError(data)

    def tick(self) -> bytes:
        raise AssertionError

    def give_up(self, why: str) -> bytes:
        raise AssertionError(why)


def test_between_messages_only_silence_ends_it() -> None:
    patience = Patience(LIMITS, ACCEPTED)
    assert patience.until(Waiting(), last=1050.0, now=1060.0) == (1150.0, "idle")


def test_a_handshake_has_a_time_of_its_own_however_often_a_byte_comes() -> None:
    patience = Patience(LIMITS, ACCEPTED)
    for now in (1001.0, 1005.0, 1009.0):
        assert patience.until(Waiting(Stage.HANDSHAKE), last=now, now=now) == (1010.0, "handshake")


def test_a_message_has_a_time_from_when_it_was_first_seen() -> None:
    patience = Patience(LIMITS, ACCEPTED)
    waiting = Waiting(Stage.MESSAGE, messages=3)
    for now in (1002.0, 1003.0, 1021.0):
        assert patience.until(waiting, last=now, now=now) == (1022.0, "slow")


def test_another_message_has_its_own_time() -> None:
    patience = Patience(LIMITS, ACCEPTED)
    patience.until(Waiting(Stage.MESSAGE, messages=0), last=1001.0, now=1001.0)
    assert patience.until(Waiting(Stage.MESSAGE, messages=1), last=1015.0, now=1015.0) == (1035.0, "slow")


def test_a_peer_that_falls_silent_in_a_message_is_idle_if_that_is_shorter() -> None:
    patience = Patience(Limits(idle=5.0, message=20.0), ACCEPTED)
    assert patience.until(Waiting(Stage.MESSAGE), last=1001.0, now=1001.0) == (1006.0, "idle")


def test_while_an_answer_is_due_silence_is_not_the_peers() -> None:
    patience = Patience(LIMITS, ACCEPTED)
    assert patience.until(Waiting(due=1090.0), last=1000.0, now=1001.0) == (1190.0, "idle")
    patience.draining = True
    assert patience.until(Waiting(due=1090.0), last=1000.0, now=1001.0) == (1090.5, "stopping")


@pytest.mark.parametrize("stage", list(Stage))
def test_when_stopping_a_moment_of_silence_ends_it(stage: Stage) -> None:
    patience = Patience(LIMITS, ACCEPTED)
    patience.draining = True
    assert patience.until(Waiting(stage), last=1002.0, now=1002.1) == (1002.5, "stopping")


@given(
    stage=st.sampled_from(Stage),
    looks=st.lists(st.floats(0.0, 50.0), min_size=1, max_size=20),
    draining=st.booleans(),
)
def test_nobody_who_sends_a_byte_in_time_is_kept_beyond_the_limit_of_the_stage(
    stage: Stage, looks: list[float], *, draining: bool
) -> None:
    patience = Patience(LIMITS, ACCEPTED)
    patience.draining = draining
    first = now = ACCEPTED
    for step in looks:
        now += step
        first = now if first == ACCEPTED else first
        until, _ = patience.until(Waiting(stage), last=now, now=now)
        bound = {
            Stage.HANDSHAKE: ACCEPTED + LIMITS.handshake,
            Stage.MESSAGE: first + LIMITS.message,
            Stage.BETWEEN: now + LIMITS.idle,
        }[stage]
        assert until <= bound
