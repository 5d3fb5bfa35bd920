"""nf_tables: the bytes of each expression, and rules read back."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.netlink import nftables
from services.netlink.attributes import attribute, nested, number, text
from services.netlink.errors import MalformedError
from services.netlink.nftables import Rule, rule_of


def expression(name: str, *attributes: bytes) -> bytes:
    return attribute(0x8001, text(1, name) + attribute(0x8002, b"".join(attributes)))


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (nftables.meta(nftables.L4PROTO), expression("meta", number(1, 1), number(2, 16))),
        (
            nftables.payload(nftables.NETWORK, 12, 4),
            expression("payload", number(1, 1), number(2, 1), number(3, 12), number(4, 4)),
        ),
        (
            nftables.compare(nftables.EQUAL, b"\x06"),
            expression("cmp", number(1, 1), number(2, 0), attribute(0x8003, attribute(1, b"\x06"))),
        ),
        (nftables.counter(), expression("counter")),
        (
            nftables.drop(),
            expression(
                "immediate", number(1, 0), attribute(0x8002, attribute(0x8002, attribute(1, bytes(4))))
            ),
        ),
        (
            nftables.jump("f1"),
            expression(
                "immediate",
                number(1, 0),
                attribute(0x8002, attribute(0x8002, attribute(1, b"\xff\xff\xff\xfd") + text(2, "f1"))),
            ),
        ),
        (
            nftables.goto("f1"),
            expression(
                "immediate",
                number(1, 0),
                attribute(0x8002, attribute(0x8002, attribute(1, b"\xff\xff\xff\xfc") + text(2, "f1"))),
            ),
        ),
        (
            nftables.back(),
            expression(
                "immediate",
                number(1, 0),
                attribute(0x8002, attribute(0x8002, attribute(1, b"\xff\xff\xff\xfb"))),
            ),
        ),
        (
            nftables.mask(b"\x12"),
            expression(
                "bitwise",
                number(1, 1),
                number(2, 1),
                number(3, 1),
                attribute(0x8004, attribute(1, b"\x12")),
                attribute(0x8005, attribute(1, b"\0")),
            ),
        ),
        (
            b"".join(nftables.count(3, nftables.SECOND)),
            expression("numgen", number(1, 2), number(2, 3), number(3, 0), number(4, 0))
            + expression("byteorder", number(1, 2), number(2, 2), number(3, 1), number(4, 4), number(5, 4)),
        ),
        (
            b"".join(nftables.set_mark(0x51)),
            expression("immediate", number(1, 1), attribute(0x8002, attribute(1, struct.pack("=I", 0x51))))
            + expression("meta", number(2, 3), number(3, 1)),
        ),
        (
            nftables.queue(7, bypass=True),
            expression(
                "queue", attribute(1, b"\0\x07"), attribute(2, b"\x00\x01"), attribute(3, b"\x00\x01")
            ),
        ),
        (
            nftables.reject(nftables.ICMP, 13),
            expression("reject", number(1, 0), attribute(2, b"\x0d")),
        ),
        (
            nftables.queue(0xDEAD),
            expression("queue", attribute(1, b"\xde\xad"), attribute(2, b"\x00\x01")),
        ),
        (
            nftables.target("NFQUEUE", 3, b"\x01\x02"),
            expression("target", text(1, "NFQUEUE"), number(2, 3), attribute(3, b"\x01\x02")),
        ),
    ],
)
def test_the_bytes_of_an_expression(built: bytes, expected: bytes) -> None:
    assert built == expected


def test_the_name_of_an_expression_that_was_built() -> None:
    assert nftables.name_of(nftables.meta(nftables.MARK)) == "meta"
    assert nftables.name_of(nftables.goto("f1")) == "immediate"


def test_a_rule_may_come_behind_another_and_be_sent_back() -> None:
    plain = nftables.new_rule("t", "c", [nftables.drop()], "")
    placed = nftables.new_rule("t", "c", [nftables.drop()], "", behind=7, echo=True)
    assert attribute(6, bytes(7) + b"\x07") in placed.payload
    assert placed.flags == plain.flags | 0x8


def test_a_batch_is_framed_for_nf_tables() -> None:
    begin, inner, end = nftables.batch([nftables.delete_table("t")])
    assert (begin.type, end.type) == (16, 17)
    assert begin.payload == end.payload == struct.pack(">BBH", 0, 0, 10)
    assert inner.type == 0x0A02


def test_a_rule_is_read_as_it_was_built() -> None:
    request = nftables.new_rule("t", "f1", [nftables.counter(), nftables.drop()], "the comment")
    assert rule_of(request.payload) == Rule("f1", 0, "the comment", ("counter", "immediate"), 0)


def test_a_rule_of_the_kernel_has_a_handle_and_a_count() -> None:
    counted = nested(
        1, text(1, "counter"), nested(2, attribute(1, bytes(8)), attribute(2, bytes(7) + b"\x05"))
    )
    payload = struct.pack(">BBH", 1, 0, 0) + b"".join(
        [text(1, "t"), text(2, "f1"), attribute(3, bytes(7) + b"\x09"), nested(4, counted)]
    )
    assert rule_of(payload) == Rule("f1", 9, "", ("counter",), 5)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_rule_or_malformed(data: bytes) -> None:
    try:
        rule_of(data)
    except MalformedError:
        return


@given(st.data())
def test_a_rule_with_damage_is_read_or_malformed(data: st.DataObject) -> None:
    whole = bytearray(nftables.new_rule("t", "f1", [nftables.counter(), nftables.jump("f2")], "f1").payload)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    try:
        rule_of(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except MalformedError:
        return
