"""A socket that is never waited for."""

import select
import socket
import threading

import pytest

from services.client.interactive.link import Link, Target, connect
from socketlab.wire import Outcome, Raised, Returned
from tests.loopback.client.programs import PATIENCE


def test_what_the_kernel_does_not_take_at_once_is_sent_later_and_in_order() -> None:
    data = b"".join(b"%09d\n" % number for number in range(100_000))
    got: list[bytes] = []
    told: list[Outcome] = []
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    reader = threading.Thread(target=lambda: got.extend(iter(lambda: theirs.recv(65536), b"")))
    reader.start()
    with theirs, ours:
        link = Link(ours, "peer", told.append)
        for start in range(0, len(data), 300_000):
            link.put(data[start : start + 300_000])
        while link.waiting:
            assert select.select([], [link], [], PATIENCE)[1]
            link.send()
        link.end_sending()
        reader.join(PATIENCE)

    assert b"".join(got) == data
    assert len([outcome for outcome in told if outcome.call.startswith("send")]) > 4


def test_a_call_that_had_nothing_to_do_is_not_told() -> None:
    told: list[Outcome] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(ours, "peer", told.append)
        assert link.receive() is None
        while link.waiting == 0:
            link.put(bytes(65536))
            link.send()  # until there is no room

    assert {outcome.call.partition("(")[0] for outcome in told} == {"send"}
    assert all(isinstance(outcome.result, Returned) for outcome in told)


def test_the_first_address_that_can_be_connected_to_is_taken() -> None:
    told: list[Outcome] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target(
            kind=socket.SOCK_STREAM, family=socket.AF_UNSPEC, host="localhost", port=server.getsockname()[1]
        )
        link = connect(target, PATIENCE, told.append)
        link.close()

    assert link.peer == f"127.0.0.1:{target.port}"
    assert told[-1].call.startswith("connect(('127.0.0.1'")


@pytest.mark.parametrize("host", ["no\0path", "x" * 200])
def test_a_path_that_is_none_is_told(host: str) -> None:
    told: list[Outcome] = []
    with pytest.raises((OSError, ValueError)):
        connect(Target(kind=socket.SOCK_STREAM, family=socket.AF_UNIX, host=host), PATIENCE, told.append)

    assert [type(outcome.result) for outcome in told] == [Raised]
