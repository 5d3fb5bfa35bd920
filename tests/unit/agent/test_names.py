"""A peer's addresses, as they stand in packets."""

import pytest

from services.agent.names import addresses_of
from services.messages import ServiceError


@pytest.mark.parametrize(
    ("peer", "addresses"),
    [
        ("10.213.7.10", ("10.213.7.10",)),
        ("fd00::1", ("fd00::1",)),
        ("FD00:0:0:0::0001", ("fd00::1",)),
        ("::ffff:10.213.7.10", ("10.213.7.10",)),
    ],
)
def test_an_address_is_its_own_name(peer: str, addresses: tuple[str, ...]) -> None:
    assert addresses_of(peer) == addresses


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "localhost"])
def test_this_host_is_no_peer(peer: str) -> None:
    with pytest.raises(ServiceError) as caught:
        addresses_of(peer)
    assert caught.value.code == "agent.peer-loopback"


@pytest.mark.parametrize("peer", ["no-such-host.invalid", "a" * 300, "a..b", "\udc80"])
def test_a_name_without_address(peer: str) -> None:
    with pytest.raises(ServiceError) as caught:
        addresses_of(peer)
    assert caught.value.code == "agent.peer-unknown"
    assert str(caught.value)
