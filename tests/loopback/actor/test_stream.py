"""The stream to an actor: broken lines, its end, a controller that does not read."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from socketlab.wire.call import LONGEST, Call, Refused, write
from tests.loopback.actor.driving import DEADLINE, Driven, driven


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "wire-json"),
        (b"garbage", "wire-json"),
        (b"\xff\xfe", "wire-json"),
        (b"[1]", "wire-object"),
        (b"{}", "wire-message"),
        (b'{"id":1,"call":"clock"}', "wire-message"),
        (b'{"id":"1","call":"clock","args":[]}', "wire-type"),
        (b'{"id":1,"call":"clock","args":[],"on":"x"}', "wire-type"),
        (b'{"id":1,"call":"clock","args":[{"b":"?"}]}', "wire-value"),
        (b'{"id":1,"call":"clock","args":[{"d":[[[],1]]}]}', "wire-value"),
        (b'{"id":1,"call":"clock","args":[{"x":1}]}', "wire-type"),
        (b'{"cancel":[]}', "wire-type"),
        (b"[" * 100_000, "wire-depth"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "wire-depth"),
    ],
)
def test_a_broken_line_is_refused_and_nothing_more(shared: Driven, line: bytes, code: str) -> None:
    shared.raw(line + b"\n")
    refused = shared.answer(None)
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert shared.call("clock")


def test_brackets_in_a_text_are_no_nesting(shared: Driven) -> None:
    assert shared.raised("getservbyname", "[]{}" * 1000)[0] == "OSError"


def test_a_line_that_is_too_long_ends_it() -> None:
    with driven() as actor:
        # It ends while it is written to.
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            actor.raw(b"x" * (LONGEST + 8 * 1024 * 1024))
        refused = actor.answer(None)
        assert isinstance(refused, Refused)
        assert refused.code == "wire-line"
        assert actor.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("way", ["streams", "forked"])
def test_the_end_of_its_stream_is_its_end(way: str) -> None:
    with driven(way) as actor:
        listener = actor.call("socket", 2, 1, 0)
        actor.call("bind", ("127.0.0.1", 0), on=listener)
        actor.call("listen", 1, on=listener)
        actor.begin("accept", on=listener)  # the main thread waits
        path = Path(actor.call("put", "program.py", b"print(1)", 0o700))
        assert path.stat().st_mode & 0o777 == 0o700
        (path.parent / "beside").mkdir()
        (path.parent / "beside" / "link").symlink_to("/")
        (path.parent / "beside" / "file").touch()
        _, pid, *_ = actor.call("popen", ["sleep", "1000"])
        address = actor.call("getsockname", on=listener)
        assert actor.end() == 0
        assert not path.parent.exists()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_its_programs(actor: Driven, number: signal.Signals) -> None:
    _, pid, *_ = actor.call("popen", ["sleep", "1000"])
    actor.begin("wait", None, on=actor.call("popen", ["sleep", "1000"])[0])
    os.kill(actor.pid, number)
    assert actor.process.wait(DEADLINE) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def memory(pid: int) -> int:
    """Kilobytes that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError


def test_answers_that_nobody_reads_do_not_pile_up() -> None:
    with driven("forked") as actor:
        one, other = actor.call("socketpair", 1, 1, 0)
        actor.call("send", b"x" * 100_000, on=other)
        before = memory(actor.pid)
        line = write(Call(1, "recv", (100_000, int(socket.MSG_PEEK)), one.number))
        os.set_blocking(actor._writer, False)  # noqa: SLF001 - it shall say when there is no room
        sent = 0
        deadline = time.monotonic() + DEADLINE
        full = 0
        while full < 20:  # it reads no more calls than it can answer
            assert time.monotonic() < deadline
            try:
                sent += os.write(actor._writer, line) == len(line)  # noqa: SLF001
                full = 0
            except BlockingIOError:
                full += 1
                time.sleep(0.01)  # nothing tells that it will not read
        os.set_blocking(actor._writer, True)  # noqa: SLF001
        assert memory(actor.pid) - before < 20_000
        assert sent > 5
        for _ in range(5):
            assert actor.value(1) == b"x" * 100_000
