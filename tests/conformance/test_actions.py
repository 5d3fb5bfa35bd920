"""What can be done to a host, as itself and its peers see it; and that it can be undone."""

import errno
import time

import pytest

from socketlab.errors import EndedError, HostError, SpecError
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.sockets.host_event import HostEvent
from tests.conformance.places import DEADLINE, Family, Talk

SILENCE = 0.3
"""Seconds without an answer that count as silence, where an answer would come within a millisecond."""


def _state(host: Host) -> str:
    """How a host stands: mypy believes that what was compared once stays so."""
    return host.state


def silent(host: Host, family: Family, address: tuple[str, int]) -> bool:
    """Whether a connect is answered by nothing at all: no acceptance and no refusal."""
    with host.socket(family.number) as sock:
        sock.settimeout(SILENCE)
        try:
            sock.connect(address)
        except OSError as error:
            return error.errno in {None, errno.EHOSTUNREACH}
        return False


def answers(host: Host, family: Family, address: tuple[str, int]) -> bool:
    """Whether a connect is accepted, now or once the neighbours have found each other again."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        with host.socket(family.number) as sock:
            sock.settimeout(2)
            try:
                sock.connect(address)
            except (TimeoutError, ConnectionRefusedError):
                continue
            except OSError as error:
                assert error.errno == errno.EHOSTUNREACH  # noqa: PT017 - other errors are none of waiting
                continue
            return True
    return False


def test_paused(talk: Talk) -> None:
    near, far = talk.connection()
    at = talk.listener().getsockname()
    with talk.server.paused():
        assert _state(talk.server) == "paused"
        near.send(b"meanwhile")
        late = talk.tcp()
        late.settimeout(DEADLINE)
        late.connect(at)  # its kernel goes on
        late.settimeout(SILENCE)
        with pytest.raises(TimeoutError):
            late.recv(1)
        with pytest.raises(HostError):
            talk.server.pause()
    assert talk.server.state == "running"
    assert far.recv(100) == b"meanwhile"
    with pytest.raises(HostError):
        talk.server.resume()


def test_stopped(talk: Talk) -> None:
    server = talk.lab.third
    listener = talk.listener(server)
    at = listener.getsockname()
    near = talk.tcp()
    near.settimeout(DEADLINE)
    near.connect(at)
    far = talk.keep(listener.accept()[0])
    program = server.start(["sleep", "600"])
    addresses, actor = server.addresses, server.actor
    with server.stopped():
        assert _state(server) == "stopped"
        assert near.recv(1) == b""
        assert silent(talk.client, talk.family, at[:2])
        for use in (listener.getsockname, program.wait, server.socket):
            with pytest.raises((EndedError, HostError), match="third"):
                use()
        with pytest.raises(EndedError, match="third"):
            listener.accept()
        with pytest.raises(HostError):
            server.stop()
        assert talk.lab.client.state == "running"
    assert server.state == "running"
    assert server.addresses == addresses
    assert server.actor is not actor
    assert server.gethostname() == "third"
    with server.create_server(at[:2], family=talk.family.number):
        assert answers(talk.client, talk.family, at[:2])
    far.close()
    listener.close()
    program.end()


def test_killed(talk: Talk) -> None:
    server = talk.lab.third
    listener = talk.listener(server)
    at = listener.getsockname()
    waiting = listener.begin.accept()
    server.kill()
    try:
        assert server.state == "stopped"
        with pytest.raises(EndedError, match="third"):
            waiting.result(timeout=DEADLINE)
        with pytest.raises(EndedError, match="killed"):
            listener.getsockname()
        assert silent(talk.client, talk.family, at[:2])
        with pytest.raises(HostError):
            server.kill()
        with pytest.raises(HostError):
            server.resume()
    finally:
        server.boot()
    listener.close()
    with server.create_server(at[:2], family=talk.family.number):
        assert answers(talk.client, talk.family, at[:2])
    with pytest.raises(HostError):
        server.boot()


def test_disconnected(talk: Talk) -> None:
    near, far = talk.connection()
    listener = talk.listener()
    at = listener.getsockname()
    assert answers(talk.client, talk.family, at[:2])
    with talk.server.disconnected():
        assert talk.server.state == "running"
        near.send(b"later")
        assert silent(talk.client, talk.family, at[:2])
        assert len(talk.server.if_nameindex()) == 1
        with pytest.raises(HostError):
            talk.server.disconnect()
    far.settimeout(DEADLINE)
    assert far.recv(100) == b"later"  # a connection outlives it: the addresses are the same
    assert answers(talk.client, talk.family, at[:2])
    with pytest.raises(HostError):
        talk.server.reconnect()


def test_link_down(talk: Talk) -> None:
    near, far = talk.connection()
    listener = talk.listener()
    at = listener.getsockname()
    with talk.server.link_is_down():
        assert silent(talk.client, talk.family, at[:2])
        outward = talk.tcp(talk.server)
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
            outward.connect((talk.family.of(talk.client), 80))
        assert caught.value.errno in {errno.ENETUNREACH, errno.EADDRNOTAVAIL}
        near.send(b"later")
        with pytest.raises(HostError):
            talk.server.link_down()
    far.settimeout(DEADLINE)
    assert far.recv(100) == b"later"
    assert answers(talk.client, talk.family, at[:2])
    with pytest.raises(ConnectionRefusedError):
        talk.tcp(talk.server).connect((talk.family.of(talk.client), 1))
    with pytest.raises(SpecError, match="lab"):
        talk.server.link_down("no-such-network")


def test_what_is_done_to_it_is_an_event(demo: Lab) -> None:
    heard = list[HostEvent]()
    quiet = demo.subscribe(heard.append)
    with demo.third.paused():
        pass
    quiet()
    assert {each.host for each in heard} == {"third"}
    assert [each.event.phase for each in heard] == ["started", "changed", "started", "changed"]
