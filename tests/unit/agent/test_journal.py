"""The undo journal: whatever happens, what may be left is named, and only where it is."""

import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agent.journal import About, Intent, Journal, Settled, here, line_of, outstanding
from services.agent.undo import Netlink, Restore, Undo
from services.messages import ServiceError

HERE, ELSEWHERE = About("this start", 7), About("this start", 8)
A: tuple[Undo, ...] = (Netlink(0, "RTM_DELROUTE", 25, 5, b"\0\xff", (3,)),)
B: tuple[Undo, ...] = (Restore(("iptables-legacy-restore", "-w"), "*filter\nCOMMIT\n", ("A=b",)), *A)
STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=20)


def entries(steps: list[tuple[bool, int]]) -> list[About | Intent | Settled]:
    return [HERE, *(Intent(f"f{number}", A) if made else Settled(f"f{number}") for made, number in steps)]


def journal_of(*steps: About | Intent | Settled) -> bytes:
    return b"".join(map(line_of, steps))


def test_the_latest_first() -> None:
    journal = journal_of(HERE, Intent("f1", A), Intent("f2", B))
    assert outstanding(journal, HERE) == [Intent("f2", B), Intent("f1", A)]


def test_what_is_settled_is_not_left() -> None:
    journal = journal_of(HERE, Intent("f1", A), Intent("f2", B), Settled("f1"), Settled("f9"))
    assert outstanding(journal, HERE) == [Intent("f2", B)]


def test_a_second_note_of_a_lease_counts() -> None:
    journal = journal_of(HERE, Intent("f1", A), Intent("f2", A), Intent("f1", B))
    assert outstanding(journal, HERE) == [Intent("f1", B), Intent("f2", A)]


@pytest.mark.parametrize("other", [ELSEWHERE, About("another start", 7)])
def test_another_namespace_is_left_alone(other: About) -> None:
    journal = journal_of(HERE, Intent("f1", A))
    assert outstanding(journal, other) == []
    assert outstanding(journal_of(Intent("f1", A)), other) == []
    both = journal + journal_of(other, Intent("f2", B))
    assert outstanding(both, HERE) == [Intent("f1", A)]


@given(STEPS, st.integers(0, 4000))
def test_a_torn_last_line_had_not_begun(steps: list[tuple[bool, int]], cut: int) -> None:
    lines = list(map(line_of, entries(steps)))
    torn = b"".join(lines)[:cut]
    whole = torn.count(b"\n")
    assert outstanding(torn, HERE) == outstanding(b"".join(lines[:whole]), HERE)


@given(st.binary(max_size=200))
def test_what_cannot_be_read_hides_nothing(noise: bytes) -> None:
    journal = journal_of(HERE, Intent("f1", A)) + noise + b"\n" + line_of(Intent("f2", B))
    left = outstanding(journal, HERE)
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


def test_what_an_earlier_agent_has_left_stays_until_it_is_cleared(tmp_path: Path) -> None:
    torn = line_of(Intent("f3", A))[:-10]
    (tmp_path / "undo.jsonl").write_bytes(journal_of(here(), Intent("f1", A)) + torn)
    journal = Journal(tmp_path)
    assert journal.outstanding() == [Intent("f1", A)]
    journal.intend("f4", B)
    assert journal.outstanding() == [Intent("f4", B), Intent("f1", A)]
    journal.clear()
    journal.intend("f5", A)
    assert journal.outstanding() == [Intent("f5", A)]


def test_what_was_left_elsewhere_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "undo.jsonl").write_bytes(journal_of(ELSEWHERE, Intent("f1", A)))
    assert Journal(tmp_path).outstanding() == []
    assert (tmp_path / "undo.jsonl").read_bytes() == b""


def test_a_note_that_did_not_fit_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.intend("f1", A)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "undo.jsonl").stat().st_size + 20, hard))
    try:
        with pytest.raises(ServiceError, match="cannot be written"):
            journal.intend("f2", A)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.intend("f3", B)
    assert journal.outstanding() == [Intent("f3", B), Intent("f1", A)]
