"""What waits, what ends a wait, and what becomes of a call that nobody waits for any more."""

import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from socketlab.errors import CallError, EndedError, HostError
from socketlab.hosts.lab import Lab
from socketlab.sockets import Pending, Socket
from socketlab.sockets.pending import StillRunningError
from tests.conformance.places import DEADLINE, Talk

ROOT = Path(__file__).parents[2]


def test_blocked_calls_block_nobody(talk: Talk) -> None:
    """Forty calls wait on each host, and calls beside them are made at once."""
    pairs = [talk.datagrams() for _ in range(20)]
    waits: list[Pending[Any]] = [near.begin.recv(10) for near, _ in pairs]
    waits += [far.begin.recv(10) for _, far in pairs]
    assert talk.client.gethostname() == "client"
    assert talk.client.actor.about()["calls"] >= 20
    near, far = talk.connection()
    near.sendall(b"beside them")
    assert far.recv(100) == b"beside them"
    assert not any(wait.done() for wait in waits)
    for one, other in pairs:
        one.send(b"there")
        other.send(b"here")
    assert [wait.result(timeout=DEADLINE) for wait in waits] == [b"here"] * 20 + [b"there"] * 20


def test_threads_share_a_host(talk: Talk) -> None:
    """Each has a conversation of its own, by calls that block in its own thread."""
    failed: list[BaseException] = []

    def converse(near: Socket, far: Socket, number: int) -> None:
        try:
            for turn in range(10):
                said = b"%d.%d" % (number, turn)
                pending = far.begin.recv(100)
                near.sendall(said)
                assert pending.result(timeout=DEADLINE) == said
                far.sendall(said[::-1])
                assert near.recv(100) == said[::-1]
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [
        threading.Thread(target=converse, args=(*talk.connection(), number), daemon=True)
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert failed == []
    assert not any(thread.is_alive() for thread in threads)


def test_close_does_not_wake_accept_and_the_port_stays(talk: Talk) -> None:
    """close(2) takes the descriptor; the call that waits keeps the socket, and still takes a connection."""
    listener = talk.listener()
    at = listener.getsockname()
    pending = listener.begin.accept()
    assert talk.server.actor.about()["calls"] >= 1
    listener.close()
    with pytest.raises(StillRunningError, match="accept"):
        pending.result(timeout=0.2)
    assert not pending.done()
    near = talk.tcp()
    near.connect(at)
    with suppress(OSError):  # accept(2) took it; Python may ask its closed object about it afterwards
        talk.keep(pending.result(timeout=DEADLINE)[0])
    assert pending.done()


def test_shutdown_wakes_accept(talk: Talk) -> None:
    listener = talk.listener()
    pending = listener.begin.accept()
    with pytest.raises(StillRunningError):
        pending.result(timeout=0.05)
    listener.shutdown(socket.SHUT_RDWR)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        pending.result(timeout=DEADLINE)
    assert caught.value.errno == 22


def test_cancelling_shuts_nothing_down(talk: Talk) -> None:
    near, far = talk.connection()
    pending = near.begin.recv(10)
    assert pending.cancel() is True
    assert pending.cancel() is False  # it runs no more, as far as anybody here knows
    assert pending.cancelled
    with pytest.raises(CallError, match="cancelled"):
        pending.result()
    assert talk.client.actor.about()["abandoned"] == 1
    far.send(b"lost")  # goes to the call that nobody waits for
    _until(lambda: talk.client.actor.about()["abandoned"] == 0)
    far.send(b"seen")
    assert near.recv(10) == b"seen"


def test_a_connection_that_a_cancelled_accept_gets_is_closed(talk: Talk) -> None:
    listener = talk.listener()
    listener.begin.accept().cancel()
    near = talk.tcp()
    near.settimeout(DEADLINE)
    near.connect(listener.getsockname())
    assert near.recv(1) == b""


def test_what_nobody_awaits_is_an_error_that_names_it(own: Callable[..., Lab]) -> None:
    """Also where it was dropped, which warns before; and what is left of a lab that is closed says so."""
    lab = own(hosts=["alone"])
    with pytest.raises(CallError) as caught, lab:  # noqa: PT012 - it is raised at the end of the block
        listener = lab.alone.create_server((lab.alone.address, 0))
        pending = listener.begin.accept()
        one, other = lab.alone.socketpair()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            dropped = one.begin.recv(1)
            del dropped
    for word in ("alone", "accept()", "recv(1)"):
        assert word in str(caught.value)
    assert [each.category for each in heard] == [ResourceWarning]
    assert "recv(1)" in str(heard[0].message)
    for use in (pending.result, listener.getsockname, lab.alone.socket, lambda: lab.alone.state):
        with pytest.raises(EndedError, match=r"closed|gone"):
            use()
    for sock in (listener, one, other):
        sock.close()
    with pytest.raises(HostError):
        lab.open()
    assert "closed" in repr(lab)


def test_an_error_of_the_block_goes_before_an_unawaited_call(own: Callable[..., Lab]) -> None:
    with pytest.raises(ZeroDivisionError), own(hosts=["alone"]) as lab:  # noqa: PT012 - what comes before counts
        listener = lab.alone.create_server((lab.alone.address, 0))
        pending = listener.begin.accept()
        1 / 0  # noqa: B018
    with pytest.raises(EndedError):
        pending.result()
    listener.close()


def test_what_is_dropped_warns_and_is_closed_over_there(talk: Talk) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        dropped = talk.client.socket(talk.family.number)
        dropped.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        before = talk.client.actor.about()["sockets"]
        del dropped
    assert [each.category for each in heard] == [ResourceWarning]
    assert "client" in str(heard[0].message)
    assert talk.client.actor.about()["sockets"] == before - 1


def test_sendall_has_one_total_time(talk: Talk) -> None:
    """A reader that takes a little now and then does not stretch it: there is one time for all."""
    near, far = talk.connection()
    near.settimeout(0.5)
    stop = threading.Event()

    def sip() -> None:
        while not stop.wait(0.05):
            far.recv(1)

    thread = threading.Thread(target=sip, daemon=True)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError) as caught:
            near.sendall(bytes(16_000_000))
    finally:
        stop.set()
        thread.join(DEADLINE)
    assert caught.value.errno is None
    assert time.monotonic() - began < DEADLINE
    assert near.gettimeout() == 0.5


CTRL_C = """
import os, signal, sys, threading, time
from socketlab import lab

with lab(hosts=["client", "server"], backend=sys.argv[1]) as demo:
    near, far = demo.client.socket(), demo.server.create_server((demo.server.address, 0))
    near.connect(far.getsockname())
    idle = demo.client.actor.about()["calls"]

    def interrupt():
        while demo.client.actor.about()["calls"] == idle:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        near.recv(1)
    except KeyboardInterrupt as error:
        print("|".join(error.__notes__), demo.client.actor.about()["abandoned"])
    near.close()
    far.close()
print("closed")
"""


def test_ctrl_c_ends_the_wait_here(backend: str) -> None:
    command = [sys.executable, "-W", "error", "-c", CTRL_C, backend]
    ran = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, text=True, timeout=60)
    told, closed = ran.stdout.splitlines()
    assert "client" in told
    assert "recv" in told
    assert told.endswith(" 1")
    assert closed == "closed"


def _until(true: Callable[[], bool]) -> None:
    """Ask again and again: what happens over there tells nobody here."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_wait_here_may_be_shorter_than_the_call(talk: Talk) -> None:
    near, far = talk.connection()
    pending = near.begin.recv(10)
    with pytest.raises(StillRunningError) as caught:
        pending.result(timeout=0.01)
    assert isinstance(caught.value, TimeoutError)
    assert "recv(10)" in str(caught.value)
    far.send(b"late")
    assert pending.result(timeout=DEADLINE) == b"late"
    assert pending.result() == b"late"
    assert pending.outcome is not None
