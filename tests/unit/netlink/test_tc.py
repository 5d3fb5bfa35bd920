"""rtnetlink: token buckets built and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.netlink.attributes import attribute
from services.netlink.errors import MalformedError
from services.netlink.tc import Bucket, bucket_of, new_bucket


@given(st.integers(1000, 1_250_000_000), st.integers(1600, 100_000_000), st.integers(1500, 2**32 - 1))
def test_a_bucket_is_read_as_it_was_built(rate: int, burst: int, limit: int) -> None:
    found = bucket_of(new_bucket(3, Bucket(rate, burst, limit)).payload)
    assert found is not None
    assert (found.rate, found.limit) == (rate, limit)
    longest = (2**32 - 1) * 64 * rate // 1_000_000_000
    tick = 64 * rate // 1_000_000_000 + 1
    assert min(burst, longest) - tick <= found.burst <= burst


def test_another_discipline_is_none() -> None:
    assert bucket_of(bytes(20) + attribute(1, b"noqueue\0")) is None


@pytest.mark.parametrize("payload", [b"", bytes(19), bytes(20) + attribute(1, b"tbf\0")])
def test_what_is_no_queue_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        bucket_of(payload)
