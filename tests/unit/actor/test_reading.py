"""What the actor reads of the kernel's words, and which addresses it takes for numbers."""

import struct
from typing import Any

import pytest

from services.actor.condition import read_status
from services.actor.held_socket import is_numeric
from services.actor.tcp_info import read_tcp_info

HEAD = bytes([1, 0, 0, 0, 0, 0b111, 0x7A, 0b101])


def test_tcp_info_of_an_old_kernel_has_fewer_members() -> None:
    data = HEAD + struct.pack("=24I", *range(1, 25))
    old = read_tcp_info(data)
    assert old["state"] == "ESTAB"
    assert old["options"] == ["timestamps", "sack", "wscale"]
    assert (old["snd_wscale"], old["rcv_wscale"]) == (10, 7)
    assert old["delivery_rate_app_limited"] is True
    assert old["fastopen_client_fail"] == 2
    assert (old["rto"], old["rtt"], old["snd_cwnd"], old["total_retrans"]) == (1, 16, 19, 24)
    assert "pacing_rate" not in old
    newer = read_tcp_info(data + struct.pack("=QQ", 5, 2**64 - 1) + bytes(3))
    assert (newer["pacing_rate"], newer["max_pacing_rate"]) == (5, None)
    assert "bytes_acked" not in newer
    assert read_tcp_info(HEAD[:7]) == {}


def test_a_status_without_a_field_leaves_it_out() -> None:
    text = "Name:\tx: y\nCapEff:\t0000000000000400\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n"
    assert read_status(text) == {
        "capabilities": {"effective": 1024, "bounding": 2**41 - 1},
        "no_new_privs": True,
    }
    assert read_status("") == {"capabilities": {}}


@pytest.mark.parametrize(
    ("address", "numeric"),
    [
        (("127.0.0.1", 80), True),
        (("", 80), True),
        (("<broadcast>", 80), True),
        (("::1", 80, 0, 0), True),
        (("::ffff:127.0.0.1", 80), True),
        (("localhost", 80), False),
        (("127.1", 80), False),
        (("fe80::1%lo", 80), False),
        (("a\0b", 80), False),
        ("/path", True),
        (b"\0name", True),
        ((16, 0), True),
        ((), True),
        (None, True),
    ],
)
def test_numeric_addresses_need_no_lookup(address: Any, *, numeric: bool) -> None:
    assert is_numeric(address) is numeric
