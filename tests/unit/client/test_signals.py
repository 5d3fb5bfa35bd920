"""Items made in another thread."""

import threading
from collections.abc import Iterator

import pytest

from services.client.signals import Stopped, from_thread


def test_items_come_in_order_from_another_thread() -> None:
    def items() -> Iterator[tuple[int, int]]:
        for number in range(3):
            yield number, threading.get_ident()

    seen = list(from_thread(items()))

    assert [number for number, _ in seen] == [0, 1, 2]
    assert threading.get_ident() not in {thread for _, thread in seen}


def test_what_was_made_before_an_error_is_handed_over_first() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("no such sentence")

    read = from_thread(items())

    assert next(read) == 1
    with pytest.raises(KeyError, match="no such sentence"):
        next(read)


@pytest.mark.parametrize(("signum", "code"), [(2, 130), (15, 143)])
def test_exit_codes_of_signals(signum: int, code: int) -> None:
    assert Stopped(signum).exit_code == code
