"""The undo journal: whatever happens, what may be left is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agent.journal import Intent, Journal, Settled, line_of, outstanding
from services.messages import ServiceError
from socketlab.wire.fault import Route

A, B = Route("throw", "10.0.0.0/8"), Route("prohibit", "fd00::/64")
STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=20)


def entries(steps: list[tuple[bool, int]]) -> list[Intent | Settled]:
    return [Intent(f"f{number}", A) if made else Settled(f"f{number}") for made, number in steps]


def test_the_latest_first() -> None:
    journal = b"".join(map(line_of, [Intent("f1", A), Intent("f2", B)]))
    assert outstanding(journal) == [Intent("f2", B), Intent("f1", A)]


def test_what_is_settled_is_not_left() -> None:
    steps: list[Intent | Settled] = [Intent("f1", A), Intent("f2", B), Settled("f1"), Settled("f9")]
    journal = b"".join(map(line_of, steps))
    assert outstanding(journal) == [Intent("f2", B)]


@given(STEPS, st.integers(0, 2000))
def test_a_torn_last_line_had_not_begun(steps: list[tuple[bool, int]], cut: int) -> None:
    lines = list(map(line_of, entries(steps)))
    torn = b"".join(lines)[:cut]
    whole = torn.count(b"\n")
    assert outstanding(torn) == outstanding(b"".join(lines[:whole]))


@given(st.binary(max_size=200))
def test_what_cannot_be_read_hides_nothing(noise: bytes) -> None:
    journal = line_of(Intent("f1", A)) + noise + b"\n" + line_of(Intent("f2", B))
    left = outstanding(journal)
    assert Intent("f1", A) in left
    assert Intent("f2", B) in left


def test_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.intend("f1", A)
    journal.intend("f2", B)
    journal.settle("f1")
    assert journal.outstanding() == [Intent("f2", B)]
    journal.settle("f2")
    assert (tmp_path / "undo.jsonl").read_bytes() == b""
    with pytest.raises(ServiceError, match="another agent is at work"):
        Journal(tmp_path)
