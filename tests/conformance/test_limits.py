"""Much of it, and too much of it: what is over a limit is an error to who asks, and harms nobody else."""

import hashlib
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from socketlab.errors import CallError
from socketlab.hosts.lab import Lab
from socketlab.sockets import Pending, Socket
from tests.conformance.places import DEADLINE, Talk

MIB = 1024 * 1024


def test_two_hundred_sockets_at_once(talk: Talk) -> None:
    listener = talk.listener(backlog=256)
    at = listener.getsockname()
    near = [talk.tcp() for _ in range(200)]
    for sock in near:
        sock.connect(at)
    waits = [sock.begin.recv(10) for sock in near]
    far = [talk.keep(listener.accept()[0]) for _ in near]
    assert talk.client.actor.about()["sockets"] >= 200
    for number, sock in enumerate(far):
        sock.send(b"%d" % number)
    assert {wait.result(timeout=DEADLINE) for wait in waits} == {b"%d" % number for number in range(200)}
    peers = {sock.getpeername() for sock in far}
    assert peers == {sock.getsockname() for sock in near}
    for sock in (*near, *far):
        sock.close()


def test_ten_mebibytes_each_way(talk: Talk) -> None:
    near, far = talk.connection()
    for out, back in ((near, far), (far, near)):
        data = bytes(range(256)) * (10 * MIB // 256)
        pending = out.begin.sendall(data)
        seen = hashlib.sha256()
        left = len(data)
        while left:
            part = back.recv(min(left, MIB))
            assert part
            seen.update(part)
            left -= len(part)
        pending.result(timeout=DEADLINE)
        assert seen.digest() == hashlib.sha256(data).digest()


def test_too_many_sockets(demo: Lab) -> None:
    client = demo.client
    most = client.actor.about()["limits"]["sockets"]
    with ExitStack() as stack:
        stack.enter_context(client.socket())
        made = [
            client.actor.call("socket", socket.AF_INET, socket.SOCK_DGRAM, 0).number for _ in range(most - 1)
        ]
        try:
            with pytest.raises(CallError, match=str(most)) as caught:
                client.socket()
            assert "client" in str(caught.value)
            with pytest.raises(CallError):
                client.socketpair()
            assert client.gethostname() == "client"
        finally:
            client.actor.call("forget", made)
        stack.enter_context(client.socket())


def test_too_many_calls_that_wait(demo: Lab) -> None:
    """Over the actor's limit, or the host's own of threads: some are refused, and none is lost."""
    client = demo.client
    most = client.actor.about()["limits"]["calls"]
    one, other = client.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        waits = [one.begin.recv(10) for _ in range(most + 1)]
        assert client.gethostname() == "client"  # which waits for nothing
        one.shutdown(socket.SHUT_RDWR)
        given = [_outcome_of(wait) for wait in waits]
    refused = [each for each in given if isinstance(each, CallError)]
    assert refused
    assert "client" in str(refused[0])
    assert {each for each in given if not isinstance(each, CallError)} == {b""}
    assert client.gethostbyname("server") == demo.server.address


def _outcome_of(wait: Pending[bytes]) -> bytes | CallError:
    try:
        return wait.result(timeout=DEADLINE)
    except CallError as error:
        return error


def test_too_much_asked_for(talk: Talk) -> None:
    near, far = talk.connection()
    far.send(b"kept")
    most = talk.client.actor.about()["limits"]["data"]
    with pytest.raises(CallError, match=str(most)):
        talk.client.actor.call("recv", most + 1, on=near.handle)
    assert near.recv(2**40) == b"kept"  # nobody has that much: the kernel gives what there is


def test_calls_that_there_are_not(demo: Lab) -> None:
    actor = demo.client.actor
    with demo.client.socket() as sock:
        number = sock.handle.number
    for name, arguments, on in (
        ("system", ("id",), None),
        ("recv", (1,), 999_999),
        ("__class__", (), number),
    ):
        with pytest.raises(CallError):
            actor.call(name, *arguments, on=on)
    with pytest.raises(TypeError):
        actor.call("gethostbyname", 1, 2, 3)
    assert demo.client.gethostname() == "client"


def test_a_reader_that_is_slow_stops_nobody(talk: Talk) -> None:
    """Answers that nobody fetches wait over there; other calls are made meanwhile."""
    near, far = talk.connection()
    waits: list[Pending[Any]] = []
    for _ in range(8):
        waits.append(near.begin.recv(MIB, socket.MSG_WAITALL))
        far.begin.sendall(bytes(MIB)).result(timeout=DEADLINE)
    assert talk.client.gethostname() == "client"
    assert sum(len(wait.result(timeout=DEADLINE)) for wait in waits) == 8 * MIB


def test_files_and_programs_have_their_limits(demo: Lab) -> None:
    client = demo.client
    limits = client.actor.about()["limits"]
    client.actor.put("half", bytes(limits["files"] // 2))
    try:
        with pytest.raises(CallError, match=str(limits["files"])):
            client.actor.put("more", bytes(limits["files"] // 2 + 1))
        with pytest.raises(CallError):
            client.actor.put("../outside", b"")
        programs = [client.start(["sleep", "60"]) for _ in range(4)]
        assert len({program.pid for program in programs}) == 4
        for program in programs:
            program.end(0.0)
    finally:
        client.actor.close()  # and with it its files


def test_a_socket_is_known_by_its_own_actor_only(talk: Talk) -> None:
    near, far = talk.connection()
    with pytest.raises(TypeError, match="client"):
        talk.client.select([far], [], [], 0)
    assert isinstance(near, Socket)
