"""When a rejected SYN is felt, and what no timer class allows."""

import pytest

from services.client.timeclass import IMMEDIATE, SECOND_SYN, TimeClass, after_timer, reject_is_felt
from socketlab.wire import ANSWERS
from socketlab.wire.fault import Answer, Family


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_bare_icmp_error_is_felt_late_on_ipv6_and_by_a_blocking_socket(
    answer: Answer, family: Family, *, blocking: bool
) -> None:
    late = answer != "tcp-reset" and (family == "ipv6" or blocking)

    felt = reject_is_felt(answer, family, blocking=blocking, delay=0.0)
    assert felt == (SECOND_SYN if late else IMMEDIATE)
    assert reject_is_felt(answer, family, blocking=blocking) == IMMEDIATE, "as the agent refuses by itself"


@pytest.mark.parametrize("when", [IMMEDIATE, SECOND_SYN, after_timer(0.5), after_timer(3)])
def test_a_class_of_time_has_room_for_a_busy_machine(when: TimeClass) -> None:
    assert when.latest - when.earliest >= 0.5


def test_the_second_syn_is_told_from_the_first_and_from_the_third() -> None:
    assert IMMEDIATE.latest < SECOND_SYN.earliest
    assert SECOND_SYN.latest < 2.0
