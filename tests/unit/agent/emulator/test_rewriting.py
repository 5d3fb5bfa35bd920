"""Changed bytes: which, and what becomes of the sums."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.agent.emulator.checksums import has_valid_sum
from socketlab.wire import Corrupt, Match, Segments
from socketlab.wire.fault import Checksum
from tests.unit.agent.emulator.packets import ACK, SYN, Bench, ip, parsed, tcp, udp

FAMILIES = ["ipv4", "ipv6"]
MSS = b"\x02\x04\x05\xb4"


def turned(before: bytes, after: bytes) -> int:
    return (int.from_bytes(before, "big") ^ int.from_bytes(after, "big")).bit_count()


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None)
@given(
    payload=st.binary(min_size=1, max_size=60),
    bits=st.integers(1, 8),
    checksum=st.sampled_from(["broken", "valid"]),
    is_tcp=st.booleans(),
)
def test_so_many_bits_of_the_payload_are_turned(
    family: str,
    payload: bytes,
    bits: int,
    checksum: Checksum,
    is_tcp: bool,  # noqa: FBT001
) -> None:
    bench = Bench(Corrupt(Match(), checksum=checksum, bits=bits, seed=1))
    data = tcp(ACK, payload, family=family) if is_tcp else udp(payload, family=family)
    changed = bench.bytes_of(bench.feed(data))
    assert changed is not None
    packet = parsed(changed)
    assert turned(payload, changed[packet.payload :]) == bits
    assert has_valid_sum(packet) is (checksum == "valid")
    if checksum == "broken":
        assert changed[: packet.payload] == data[: packet.payload]
    (entry,) = bench.log()
    assert entry.action == "corrupted"


def test_other_packets_are_turned_in_other_places_and_a_seed_repeats_them() -> None:
    def run(seed: int) -> list[bytes | None]:
        bench = Bench(Corrupt(Match(), seed=seed))
        return [bench.bytes_of(bench.feed(udp(b"x" * 100))) for _ in range(5)]

    assert len(set(run(1))) == 5
    assert run(1) == run(1)
    assert run(1) != run(2)


def test_what_has_no_payload_goes_on_as_it_is() -> None:
    bench = Bench(Corrupt(Match(), seed=1))
    assert bench.bytes_of(bench.feed(tcp(ACK))) is None
    assert bench.did() == [(1, "passed")]
    assert bench.emulation.counts("f1") == (0, 1, 0)


def test_a_fragment_cannot_get_a_valid_sum() -> None:
    fragment = ip("10.0.0.2", "10.0.0.1", 17, b"payload", place=3)
    assert Bench(Corrupt(Match(), seed=1)).feed(fragment) == 1
    bench = Bench(Corrupt(Match(), checksum="valid", seed=1))
    assert bench.bytes_of(bench.feed(fragment)) is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", [MSS, b"\x01\x01\x01\x01" + MSS, b"\x03\x03\x07\x01" + MSS + bytes(4)])
def test_a_syn_allows_smaller_segments(family: str, options: bytes) -> None:
    bench = Bench(Segments(100, Match(port=7000)))
    data = tcp(SYN, family=family, options=options)
    changed = bench.bytes_of(bench.feed(data))
    assert changed is not None
    assert has_valid_sum(parsed(changed))
    assert b"\x02\x04\x00\x64" in changed
    assert turned(data, changed) <= 16 + 16
    assert bench.log()[0].detail.startswith("1460 to 100, [S]")


@pytest.mark.parametrize(
    "data",
    [
        tcp(SYN),
        tcp(SYN, options=b"\x00\x00\x00\x00" + MSS),
        tcp(SYN, options=b"\x05\x00\x00\x00"),
        tcp(SYN, options=b"\x01\x01\x01\x02"),
        tcp(SYN, options=b"\x02\x04\x00\x40"),
        tcp(SYN, options=b"\x02\x08\x00\x40"),
    ],
)
def test_a_syn_without_a_larger_size_goes_on_as_it_is(data: bytes) -> None:
    bench = Bench(Segments(100, Match(port=7000)))
    assert bench.bytes_of(bench.feed(data)) is None
    assert bench.did() == [(1, "passed")]


def test_segments_are_not_what_a_connection_that_is_open_asks_about() -> None:
    bench = Bench(Segments(100, Match(port=7000)))
    bench.feed(tcp(ACK, b"x", options=MSS))
    assert bench.emulation.counts("f1") == (0, 0, 0)
