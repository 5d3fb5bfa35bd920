"""`makefile` and `sendfile`."""

import gc
import io
from pathlib import Path

import pytest

from socketlab.sockets import Socket


def test_the_socket_is_closed_with_the_last_of_both(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    reader = one.makefile("rb")
    writer = one.makefile("w", encoding="utf-8", newline="\n")
    one.close()
    seen = [one.closed]
    writer.write("grüße\n")
    writer.close()
    seen.append(one.closed)
    other.sendall(b"line 1\nline 2\n")
    assert reader.readline() == b"line 1\n"
    reader.close()
    assert [*seen, one.closed] == [False, False, True]
    with other.makefile("r", encoding="utf-8") as text:
        assert text.read() == "grüße\n"


def test_a_collected_file_makes_no_call_and_loses_nothing(pair: tuple[Socket, Socket]) -> None:
    one, other = pair

    def write_and_drop() -> None:
        file = one.makefile("wb")
        file.write(b"never flushed")

    write_and_drop()
    gc.collect()
    assert other.recv(100) == b"never flushed"

    def drop_a_reader() -> None:
        file = one.makefile("r", encoding="utf-8")
        one.close()
        assert not file.closed

    drop_a_reader()
    gc.collect()
    assert one.closed
    assert other.recv(1) == b""  # closed over there along with this call


def test_a_file_that_timed_out_cannot_be_read_on(pair: tuple[Socket, Socket]) -> None:
    one, _ = pair
    one.settimeout(0.02)
    with one.makefile("rb") as reader:
        with pytest.raises(TimeoutError):
            reader.read(1)
        with pytest.raises(OSError, match="cannot read from timed out object"):
            reader.read(1)


def test_raw_and_both_ways(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    with one.makefile("rwb", 0) as raw, other.makefile("rwb") as both:
        raw.write(b"abc")
        assert both.read(3) == b"abc"
        both.write(b"defg")
        both.flush()
        assert raw.read(10) == b"defg"
        assert "client:" in str(raw.name)


def test_sendfile_reads_here_and_sends_there(pair: tuple[Socket, Socket], tmp_path: Path) -> None:
    one, other = pair
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 1000)
    with path.open("rb") as file:
        assert one.sendfile(file, offset=6, count=100_000) == 100_000
        assert file.tell() == 100_006
    one.close()
    received = b""
    while part := other.recv(1 << 16):
        received += part
    assert received == path.read_bytes()[6:100_006]
    with pytest.raises(ValueError, match="binary"), path.open(encoding="latin-1") as text:
        other.sendfile(text)  # type: ignore[arg-type]  # that is the mistake
    with pytest.raises(ValueError, match="positive"):
        other.sendfile(io.BytesIO(b"x"), count=0)
