"""What is left of leases that an agent held, whatever became of the file."""

import json
from pathlib import Path

import pytest

from services.agent.kept import FILE_NAME, Healed, Kept, KeptLease, boot_clock, left_of, line_of
from socketlab.wire import Drop, Fault, Match, Route

BOOT = "this one"
FAULT: Fault = Drop(Match(port=7000, proto="tcp"))


def _lease(name: str, until: float | None = None, boot: str = BOOT) -> KeptLease:
    return KeptLease(name, FAULT, until, boot)


def _file(*entries: KeptLease | Healed) -> bytes:
    return b"".join(map(line_of, entries))


def test_in_the_order_they_came_without_those_healed() -> None:
    content = _file(_lease("f1"), _lease("f2"), Healed("f1"), _lease("f3"), Healed("f9"))
    assert [each.lease for each in left_of(content, BOOT, 0.0)] == ["f2", "f3"]


def test_not_those_whose_time_is_up() -> None:
    content = _file(_lease("f1", 10.0), _lease("f2", 11.0))
    assert [each.lease for each in left_of(content, BOOT, 10.0)] == ["f2"]


def test_not_those_of_another_start_of_the_machine() -> None:
    content = _file(_lease("f1", boot="another"), _lease("f2"))
    assert [each.lease for each in left_of(content, BOOT, 0.0)] == ["f2"]


@pytest.mark.parametrize("torn", [b'{"lease":"f3","fau', b"\xff\xfe\n", b"[]\n", b'{"lease":1}\n', b"\n"])
def test_a_line_that_cannot_be_read_is_passed_over(torn: bytes) -> None:
    content = _file(_lease("f1")) + torn
    assert [each.lease for each in left_of(content, BOOT, 0.0)] == ["f1"]


def test_the_file_comes_back_and_is_taken_once(tmp_path: Path) -> None:
    first = Kept(tmp_path)
    first.keep("f1", FAULT, None)
    first.keep("f2", Route("throw", "10.0.0.0/8"), 60.0)
    first.keep("f3", FAULT, None)
    first.drop("f3")
    first.drop("never kept")
    first.close()
    second = Kept(tmp_path)
    there = second.take()
    assert [(each.lease, each.fault) for each in there] == [
        ("f1", FAULT),
        ("f2", Route("throw", "10.0.0.0/8")),
    ]
    assert there[0].until is None
    assert 0 < (there[1].until or 0) - boot_clock() <= 60
    assert second.take() == []
    second.close()


def test_it_is_empty_when_nothing_is_held(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.keep("f1", FAULT, None)
    kept.keep("f2", FAULT, None)
    kept.drop("f1")
    assert (tmp_path / FILE_NAME).stat().st_size > 0
    kept.drop("f2")
    assert (tmp_path / FILE_NAME).stat().st_size == 0
    kept.close()


def test_it_does_not_grow_without_end(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.keep("f1", FAULT, None)
    for number in range(2, 2000):
        kept.keep(f"f{number}", FAULT, None)
        kept.drop(f"f{number}")
    assert (tmp_path / FILE_NAME).read_bytes().count(b"\n") < 600
    kept.close()
    again = Kept(tmp_path)
    assert [each.lease for each in again.take()] == ["f1"]
    again.close()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for number in range(400):
        kept.keep(f"f{number}", FAULT, None)
        kept.drop(f"f{number - 1}")
    kept.close()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / FILE_NAME).read_bytes().splitlines()[-1])
