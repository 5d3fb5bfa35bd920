"""However a lab, its owner or one of its processes ends, nothing is left."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from socketlab.errors import EndedError
from socketlab.hosts.namespace import NamespaceBackend, probe
from socketlab.hosts.namespace.machines import NamespaceMachines
from socketlab.hosts.namespace.nursery import Nursery
from socketlab.hosts.spec import HostSpec, LabSpec
from tests.namespace.nursery.talking import SECONDS, Controller

pytestmark = pytest.mark.usefixtures("namespaces")


@pytest.fixture
def controller() -> Iterator[Callable[..., Controller]]:
    made: list[Controller] = []

    def make(code: str = "pass") -> Controller:
        made.append(Controller(code))
        return made[-1]

    yield make
    for each in made:
        each.close()


_BUSY = """
    agent = demo.agent("client")
    actor = demo.actor("server")
    actor.receive(20)
    from socketlab.wire.call import Call, write
    actor.send(write(Call(1, "popen", (["sleep", "1000"], None, False, None))))
    actor.receive(20)
"""


def test_who_ends_in_order_leaves_nothing(controller: Callable[..., Controller]) -> None:
    made = controller(_BUSY)
    assert len(made.left.processes()) > 6  # itself, two of the nursery, two hosts, actors, agent, sleep
    code, said = made.end()
    assert (code, said) == (0, "")
    assert made.left.await_none() == []


def test_who_raises_leaves_nothing(controller: Callable[..., Controller]) -> None:
    made = controller(_BUSY)
    made.process.send_signal(signal.SIGINT)
    code, said = made.end()
    assert "KeyboardInterrupt" in said
    assert code != 0
    assert made.left.await_none() == []


@pytest.mark.parametrize("whom", ["controller", "waiter", "nursery"])
def test_whoever_is_killed_leaves_nothing(controller: Callable[..., Controller], whom: str) -> None:
    made = controller(_BUSY)
    victim = {"controller": made.process.pid, "waiter": made.waiter, "nursery": made.nursery}[whom]
    os.kill(victim, signal.SIGKILL)
    if whom != "controller":
        code, said = made.end()  # its labs are gone: closing one is no error
        assert (code, said) == (0, "")
    assert made.left.await_none() == []


def test_a_forked_child_does_not_keep_the_labs_of_its_parent(controller: Callable[..., Controller]) -> None:
    made = controller("""
        import os, time
        if (child := os.fork()) == 0:
            os.closerange(0, 3)
            time.sleep(1000)
        print(child, file=sys.stderr, flush=True)
    """)
    assert made.process.stderr is not None
    child = int(made.process.stderr.readline())
    others = made.left.processes() - {made.process.pid, child}
    os.kill(made.process.pid, signal.SIGKILL)
    assert others
    poll = select.poll()
    handles: list[int] = []
    for pid in others:
        with suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
            poll.register(handles[-1], select.POLLIN)
    deadline = time.monotonic() + SECONDS
    while made.left.processes() != {child} and time.monotonic() < deadline:
        poll.poll(100)
    for handle in handles:
        os.close(handle)
    survivors = made.left.processes()
    os.kill(child, signal.SIGKILL)
    assert survivors == {child}
    assert made.left.await_none() == []


def _machines(*names: str) -> NamespaceMachines:
    return NamespaceBackend().open(LabSpec(name="ends", hosts=tuple(HostSpec(name=name) for name in names)))


def test_a_killed_actor_takes_nothing_with_it() -> None:
    lab = _machines("client")
    try:
        first, second = lab.actor("client"), lab.actor("client")
        for stream in (first, second):
            assert stream.receive(SECONDS).startswith(b'{"hello"')
        first.close()
        assert lab.states() == {"client": "running"}
        assert lab.actor("client").receive(SECONDS).startswith(b'{"hello"')
        second.send(b'{"id":1,"call":"gethostname","args":[]}\n')
        assert b"client" in second.receive(SECONDS)
        second.close()
    finally:
        lab.close()


def test_a_host_whose_first_program_is_killed_is_stopped() -> None:
    if os.geteuid():
        pytest.skip("needs root, to find the host among the machine's processes")
    lab = _machines("client", "server")
    try:
        stream = lab.actor("client")
        assert stream.receive(SECONDS)
        nursery = Nursery.shared().hello.pid
        hosts = [
            int(child)
            for child in Path(f"/proc/{nursery}/task/{nursery}/children").read_text().split()
            if _hostname(int(child)) == "client"
        ]
        assert hosts
        poll = select.poll()
        handle = os.pidfd_open(hosts[-1])
        poll.register(handle, select.POLLIN)
        os.kill(hosts[-1], signal.SIGKILL)
        assert poll.poll(SECONDS * 1000)
        os.close(handle)
        assert stream.receive(SECONDS) == b""
        assert lab.states() == {"client": "stopped", "server": "running"}
        lab.act("client", "start")
        again = lab.actor("client")
        assert again.receive(SECONDS).startswith(b'{"hello"')
        again.close()
        stream.close()
    finally:
        lab.close()


def _hostname(pid: int) -> str:
    """What a process in another UTS namespace calls its host: in its /etc/hostname."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/root/run/host/hostname").read_text().strip()
    return ""


def test_a_closed_lab_goes_alone_and_at_once() -> None:
    first, second = _machines("client"), _machines("client")
    try:
        stream, other = first.actor("client"), second.actor("client")
        assert stream.receive(SECONDS)
        assert other.receive(SECONDS)
        first.close()
        assert stream.receive(SECONDS) == b""
        first.close()
        with pytest.raises(EndedError):
            first.actor("client")
        with pytest.raises(EndedError):
            stream.send(b"x" * 1_000_000)
        other.send(b'{"id":1,"call":"gethostname","args":[]}\n')
        assert b"client" in other.receive(SECONDS)
        stream.close()
        other.close()
    finally:
        second.close()
        first.close()


def test_closing_a_stream_wakes_its_reader() -> None:
    lab = _machines("client")
    try:
        stream = lab.actor("client")
        assert stream.receive(SECONDS)
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.append(stream.receive(SECONDS)))
        reader.start()
        stream.close()
        reader.join(SECONDS)
        assert got == [b""]
        with closing(lab.actor("client")) as other:
            assert other.receive(SECONDS)
            with pytest.raises(TimeoutError):
                other.receive(0)
    finally:
        lab.close()


def test_a_probe_that_is_not_kept_leaves_nothing() -> None:
    before = {entry.name for entry in Path("/proc/self/fd").iterdir()}
    found = probe(keep=False)
    assert found.usable
    assert found.users in {"mapped", "nested", "root"}
    assert len(before) == len(list(Path("/proc/self/fd").iterdir()))


def _open_and_close(failed: list[BaseException]) -> None:
    try:
        lab = _machines("client", "server")
        try:
            stream = lab.actor("server")
            assert stream.receive(SECONDS).startswith(b'{"hello"')
            stream.close()
        finally:
            lab.close()
    except BaseException as error:  # noqa: BLE001 - the test's thread raises it
        failed.append(error)


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.full)])
def test_many_labs_at_once(count: int) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    failed: list[BaseException] = []
    threads = [threading.Thread(target=_open_and_close, args=(failed,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS * 4)
    assert failed == []
    assert not any(thread.is_alive() for thread in threads)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_an_interrupted_lab_leaves_nothing(controller: Callable[..., Controller]) -> None:
    made = controller("""
        import os, pathlib, signal, threading
        def hosts():
            nursery = Nursery.shared().hello.pid
            return pathlib.Path(f"/proc/{nursery}/task/{nursery}/children").read_text().split()
        before, open_files = hosts(), os.listdir("/proc/self/fd")
        many = LabSpec(name="many", hosts=tuple(HostSpec(name=f"h{number}") for number in range(6)))
        for delay in (0.0005, 0.002, 0.005, 0.01, 0.02):
            timer = threading.Timer(delay, signal.raise_signal, (signal.SIGINT,))
            try:
                timer.start()
                NamespaceBackend().open(many).close()
                timer.join()
            except KeyboardInterrupt:
                pass
            timer.join()
        demo.states()  # it still serves, and what is asked for is what comes back
        assert hosts() == before, (hosts(), before)
        assert len(os.listdir("/proc/self/fd")) == len(open_files)
    """)
    assert made.end() == (0, "")
    assert made.left.await_none() == []
